import { HimplosError } from '../../shared/errors.ts';
import { suggest } from '../../shared/methods/suggest.ts';
import { AVERAGE, AVERAGE_FAR, AVERAGE_NEAR } from './results.ts';

/** A row of averages: its name and the sets it averages. */
export interface SetGroup {
  readonly name: string;
  readonly sets: readonly string[];
}

/**
 * The averages that a table over these sets has: near and far ones where sets are told apart (each only if it has a
 * set), and always the average of all.
 */
export function averageGroups(sets: readonly string[], near: readonly string[] | undefined): SetGroup[] {
  const all = { name: AVERAGE, sets };
  if (near === undefined) return [all];
  const groups = [
    { name: AVERAGE_NEAR, sets: sets.filter((set) => near.includes(set)) },
    { name: AVERAGE_FAR, sets: sets.filter((set) => !near.includes(set)) },
  ];
  return [...groups.filter((group) => group.sets.length > 0), all];
}

/** Throws `bad-usage` when a near set is none of the OOD sets, or a set is called like a row of averages. */
export function requireNearSets(sets: readonly string[], near: readonly string[]): void {
  for (const name of near) {
    if (sets.includes(name)) continue;
    throw new HimplosError('bad-usage', `--near: expected one of ${sets.join(', ')}, got ${name}`, {
      hint: suggest(name, sets) ?? `for example --near ${sets[0]}`,
    });
  }
  const taken = sets.find((set) => set === AVERAGE_NEAR || set === AVERAGE_FAR);
  if (taken === undefined) return;
  throw new HimplosError('bad-usage', `--ood: ${taken} cannot be the name of a set beside --near`, {
    hint: 'tables with near and far sets use that name: choose another one',
  });
}
