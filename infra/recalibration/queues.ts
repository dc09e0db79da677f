import {
  EcsMachineImageType,
  FargateComputeEnvironment,
  type FargateComputeEnvironmentProps,
  JobQueue,
  ManagedEc2EcsComputeEnvironment,
} from 'aws-cdk-lib/aws-batch';
import {
  BlockDeviceVolume,
  EbsDeviceVolumeType,
  InstanceClass,
  LaunchTemplate,
  LaunchTemplateHttpTokens,
} from 'aws-cdk-lib/aws-ec2';
import { type IRole, ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { RecalibrationConfig } from '../config/environment.ts';
import { acknowledge } from '../constructs/acknowledge.ts';
import type { Network } from './network.ts';

export interface QueuesProps {
  readonly config: RecalibrationConfig;
  readonly network: Network;
}

const INSTANCE_CLASSES = { g4dn: InstanceClass.G4DN, g5: InstanceClass.G5, g6: InstanceClass.G6 } as const;
const ECS_POLICY = 'AmazonEC2ContainerServiceforEC2Role';
/** Merge and promote take four at most; shards as many as there are. */
const FEW_CPUS = 16;

/** Where jobs wait for machines: Fargate for what is small, and for the shards what the configuration says. */
export class Queues extends Construct {
  readonly shards: JobQueue;
  readonly small: JobQueue;

  constructor(scope: Construct, id: string, { config, network }: QueuesProps) {
    super(scope, id);
    const { vpc, securityGroup } = network;
    const place = { vpc, securityGroups: [securityGroup], vpcSubnets: { subnets: vpc.publicSubnets } };
    const onDemand = new FargateComputeEnvironment(this, 'Small', { ...place, maxvCpus: FEW_CPUS });
    this.small = new JobQueue(this, 'SmallQueue', {
      computeEnvironments: [{ computeEnvironment: onDemand, order: 1 }],
    });
    const { compute, shards } = config;
    const computeEnvironment =
      compute.type === 'fargate'
        ? new FargateComputeEnvironment(this, 'Shards', {
            ...place,
            spot: compute.spot,
            maxvCpus: Math.max(compute.cpus * shards, FEW_CPUS),
          })
        : this.#machines(compute, place);
    this.shards = new JobQueue(this, 'ShardsQueue', {
      computeEnvironments: [{ computeEnvironment, order: 1 }],
    });
  }

  /** Instances with a GPU, none while there is nothing to do. */
  #machines(
    {
      instanceClass,
      maxInstanceCpus,
      spot,
    }: Extract<RecalibrationConfig['compute'], { readonly type: 'gpu' }>,
    place: Pick<FargateComputeEnvironmentProps, 'vpc' | 'vpcSubnets' | 'securityGroups'>,
  ): ManagedEc2EcsComputeEnvironment {
    const instanceRole = new Role(this, 'MachineRole', {
      assumedBy: new ServicePrincipal('ec2.amazonaws.com'),
      managedPolicies: [ManagedPolicy.fromAwsManagedPolicyName(`service-role/${ECS_POLICY}`)],
    });
    acknowledge(
      instanceRole,
      'what the agent of ECS needs on its machine is for AWS to say',
      `AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/${ECS_POLICY}]`,
    );
    return new ManagedEc2EcsComputeEnvironment(this, 'Machines', {
      ...place,
      spot,
      minvCpus: 0,
      maxvCpus: maxInstanceCpus,
      instanceClasses: [INSTANCE_CLASSES[instanceClass]],
      useOptimalInstanceClasses: false,
      images: [{ imageType: EcsMachineImageType.ECS_AL2023_NVIDIA }],
      launchTemplate: this.#launchTemplate(),
      instanceRole: instanceRole as IRole,
    });
  }

  /** Encrypted disks, and no way for a container to take the machine's own role. */
  #launchTemplate(): LaunchTemplate {
    return new LaunchTemplate(this, 'Machine', {
      httpTokens: LaunchTemplateHttpTokens.REQUIRED,
      httpPutResponseHopLimit: 1,
      blockDevices: [
        {
          deviceName: '/dev/xvda',
          volume: BlockDeviceVolume.ebs(200, { encrypted: true, volumeType: EbsDeviceVolumeType.GP3 }),
        },
      ],
    });
  }
}
