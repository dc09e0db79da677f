import { CfnResource, type IAspect, Lazy } from 'aws-cdk-lib';
import { CfnRole } from 'aws-cdk-lib/aws-iam';
import type { IConstruct } from 'constructs';

/** What names its role in a property. */
const HAS_ROLE: ReadonlySet<string> = new Set(['AWS::Lambda::Function', 'AWS::StepFunctions::StateMachine']);

/**
 * The CDK makes whatever has a role depend on the role as well as on its policies. The policies have to be there first;
 * that the role does follows from the property that names it, and cfn-lint (W3005) objects to saying it twice.
 */
export class LeanDependencies implements IAspect {
  visit(node: IConstruct): void {
    if (!CfnResource.isCfnResource(node) || !HAS_ROLE.has(node.cfnResourceType)) return;
    // Only when the template is written are all dependencies known.
    node.addOverride('DependsOn', Lazy.any({ produce: () => namesBesidesRoles(node) }));
  }
}

function namesBesidesRoles(resource: CfnResource): readonly string[] | undefined {
  const names = resource
    .obtainDependencies()
    .filter((other) => CfnResource.isCfnResource(other) && !(other instanceof CfnRole))
    .map((other) => (other as CfnResource).logicalId)
    .sort();
  return names.length === 0 ? undefined : names;
}
