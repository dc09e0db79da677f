import { expect } from 'vitest';
import { LIST, type S3Call } from '../servers/s3-gate.ts';
import { ofType, plain, type Synthesis } from './synthesize-environment.ts';

/** What a policy allows, with ARNs as `plain` writes them. */
export interface Statement {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions: unknown;
}

/** What a role's policies allow; throws for one that denies or is managed. */
export function statementsOf(synthesis: Synthesis, roleId: string): readonly Statement[] {
  const role = synthesis.resources[roleId]!.Properties;
  expect(role.ManagedPolicyArns, roleId).toBeUndefined();
  expect(role.Policies, roleId).toBeUndefined();
  const policies = ofType(synthesis, 'AWS::IAM::Policy').filter(([, { Properties }]) =>
    Properties.Roles.some((reference: unknown) => plain(reference) === `<${roleId}>`),
  );
  return policies.flatMap(([, { Properties }]) =>
    Properties.PolicyDocument.Statement.map(
      // biome-ignore lint/suspicious/noExplicitAny: a policy's JSON
      ({ Effect, Action, Resource, Condition }: any) => {
        expect(Effect).toBe('Allow');
        return {
          actions: [Action].flat(),
          resources: [Resource].flat().map(plain),
          conditions: Condition,
        };
      },
    ),
  );
}

/** Resources on which an action is allowed, in order. */
export function allowed(statements: readonly Statement[], action: string): readonly string[] {
  return statements
    .filter(({ actions }) => actions.includes(action))
    .flatMap(({ resources }) => resources)
    .sort();
}

/** An action of S3 on keys (for listings, prefixes) that match a pattern, in which `*` stands for anything. */
export interface Grant {
  readonly action: string;
  readonly pattern: string;
}

/** What of S3 is allowed, key by key; throws for a condition other than on the prefix of listings. */
export function grantsOf(statements: readonly Statement[]): readonly Grant[] {
  return statements.flatMap(({ actions, resources, conditions }) =>
    actions
      .filter((action) => action.startsWith('s3:'))
      .flatMap((action) => {
        if (action === LIST) return prefixesIn(conditions).map((pattern) => ({ action, pattern }));
        expect(conditions, action).toBeUndefined();
        return resources.map((arn) => ({ action, pattern: /^<\w+\.Arn>\/(.+)$/.exec(arn)![1]! }));
      }),
  );
}

function prefixesIn(conditions: unknown): readonly string[] {
  expect(conditions).toEqual({ StringLike: { 's3:prefix': expect.anything() } });
  return [(conditions as { StringLike: { 's3:prefix': string | string[] } }).StringLike['s3:prefix']].flat();
}

/** Whether a grant covers a call. */
export function covers({ action, pattern }: Grant, call: S3Call): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return action === call.action && new RegExp(`^${parts.join('.*')}$`).test(call.key);
}

/** The grants that none of the calls needed, as text. */
export function unused(grants: readonly Grant[], calls: readonly S3Call[]): readonly string[] {
  return grants
    .filter((grant) => !calls.some((call) => covers(grant, call)))
    .map(({ action, pattern }) => `${action} ${pattern}`);
}

/** The logical id of the one role whose id begins so. */
export function roleOf(synthesis: Synthesis, part: string): string {
  const found = ofType(synthesis, 'AWS::IAM::Role').filter(([id]) => id.startsWith(part));
  expect(found, part).toHaveLength(1);
  return found[0]![0];
}

/** Properties of the one resource of a type. */
export function only(synthesis: Synthesis, type: string) {
  const found = ofType(synthesis, type);
  expect(found, type).toHaveLength(1);
  return found[0]![1].Properties;
}
