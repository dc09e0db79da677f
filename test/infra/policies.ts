import { expect } from 'vitest';
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
