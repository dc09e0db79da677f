import {
  EcsMachineImageType,
  FargateComputeEnvironment,
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
import { Construct } from 'constructs';
import type { RecalibrationConfig } from '../config/environment.ts';
import type { Network } from './network.ts';

export interface QueuesProps {
  readonly config: RecalibrationConfig;
  readonly network: Network;
}

const INSTANCE_CLASSES = { g4dn: InstanceClass.G4DN, g5: InstanceClass.G5, g6: InstanceClass.G6 } as const;
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
        : new ManagedEc2EcsComputeEnvironment(this, 'Shards', {
            ...place,
            spot: compute.spot,
            minvCpus: 0,
            maxvCpus: compute.maxInstanceCpus,
            instanceClasses: [INSTANCE_CLASSES[compute.instanceClass]],
            useOptimalInstanceClasses: false,
            images: [{ imageType: EcsMachineImageType.ECS_AL2023_NVIDIA }],
            launchTemplate: this.#launchTemplate(),
          });
    this.shards = new JobQueue(this, 'ShardsQueue', {
      computeEnvironments: [{ computeEnvironment, order: 1 }],
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
