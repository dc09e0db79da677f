import { CfnOutput, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import {
  type CfnApi,
  HttpApi,
  HttpMethod,
  type IHttpRouteAuthorizer,
  LogGroupLogDestination,
} from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer, HttpJwtAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { type Alias, FunctionUrlAuthType, type IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { ScoringConfig } from '../config/environment.ts';
import { accountIn, acknowledge } from './acknowledge.ts';

export interface EndpointProps {
  readonly name: string;
  readonly alias: Alias;
  readonly access: ScoringConfig['access'];
  readonly logRetentionDays: number;
}

type HttpApiAccess = Extract<ScoringConfig['access'], { readonly type: 'http-api' }>;

/** Where clients reach a function. Nobody does without a signature (IAM) or a token (JWT). */
export class Endpoint extends Construct {
  constructor(scope: Construct, id: string, { name, alias, access, logRetentionDays }: EndpointProps) {
    super(scope, id);
    const url =
      access.type === 'http-api' ? this.#httpApi(alias, access, logRetentionDays) : this.#functionUrl(alias);
    new CfnOutput(this, 'Url', { value: url, description: `Where ${name} is served` });
  }

  #functionUrl(alias: Alias): string {
    const { url, functionArn } = alias.addFunctionUrl({ authType: FunctionUrlAuthType.AWS_IAM });
    this.#callers(
      new PolicyStatement({
        actions: ['lambda:InvokeFunctionUrl'],
        resources: [functionArn],
        conditions: { StringEquals: { 'lambda:FunctionUrlAuthType': 'AWS_IAM' } },
      }),
      // Function URLs ask for both since October 2025; the condition keeps it from being used without the URL.
      new PolicyStatement({
        actions: ['lambda:InvokeFunction'],
        resources: [functionArn],
        conditions: { Bool: { 'lambda:InvokedViaFunctionUrl': 'true' } },
      }),
    );
    return url;
  }

  #httpApi(alias: Alias, access: HttpApiAccess, logRetentionDays: number): string {
    const api = new HttpApi(this, 'Api', {
      description: 'himplos',
      defaultAuthorizer: authorizerFor(access),
      createDefaultStage: false,
    });
    const log = new LogGroup(this, 'AccessLog', {
      retention: logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const stage = api.addStage('Stage', {
      stageName: '$default',
      autoDeploy: true,
      throttle: { rateLimit: access.requestsPerSecond, burstLimit: access.burst },
      accessLogSettings: { destination: new LogGroupLogDestination(log) },
      detailedMetricsEnabled: true,
    });
    api.addRoutes({
      path: '/{proxy+}',
      methods: [HttpMethod.GET, HttpMethod.POST],
      integration: new HttpLambdaIntegration('Integration', alias as IFunction, {
        timeout: Duration.seconds(29),
      }),
    });
    if (access.authorization.type === 'iam') {
      const methods = ['GET', 'POST'];
      const { region } = Stack.of(this);
      this.#callers(
        new PolicyStatement({
          actions: ['execute-api:Invoke'],
          resources: methods.map((method) => api.arnForExecuteApi(method, '/*', '$default')),
        }),
      );
      const apiId = Stack.of(this).getLogicalId(api.node.defaultChild as CfnApi);
      acknowledge(
        this,
        'every path of this one API: the function answers 404 where there is nothing',
        ...methods.map(
          (method) =>
            `AwsSolutions-IAM5[Resource::arn:aws:execute-api:${region}:${accountIn(this)}:<${apiId}>/$default/${method}/*]`,
        ),
      );
    }
    return stage.url;
  }

  /** A policy to attach to whoever may score. */
  #callers(...statements: PolicyStatement[]): void {
    const policy = new ManagedPolicy(this, 'Callers', { description: 'May call himplos', statements });
    new CfnOutput(this, 'CallersPolicy', { value: policy.managedPolicyArn });
  }
}

function authorizerFor({ authorization }: HttpApiAccess): IHttpRouteAuthorizer {
  if (authorization.type === 'iam') return new HttpIamAuthorizer();
  const { issuer, audience } = authorization;
  return new HttpJwtAuthorizer('Jwt', issuer, { jwtAudience: [...audience] });
}
