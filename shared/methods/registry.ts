import { HimplosError } from '../errors.ts';
import { ashB } from './ash-b.ts';
import { ashP } from './ash-p.ts';
import { ashS } from './ash-s.ts';
import { bats } from './bats.ts';
import type { Detector, Method } from './contract.ts';
import { cosine } from './cosine.ts';
import { dice } from './dice.ts';
import { diceReact } from './dice-react.ts';
import { energy } from './energy.ts';
import { fdbd } from './fdbd.ts';
import { gen } from './gen.ts';
import { gradNorm } from './grad-norm.ts';
import { himplos } from './himplos.ts';
import { klMatching } from './kl-matching.ts';
import { knn } from './knn.ts';
import { line } from './line.ts';
import { mahalanobis } from './mahalanobis.ts';
import { maxLogit } from './max-logit.ts';
import { msp } from './msp.ts';
import { nnguide } from './nnguide.ts';
import { odin } from './odin.ts';
import { react } from './react.ts';
import { residual } from './residual.ts';
import { rmds } from './rmds.ts';
import { scale } from './scale.ts';
import { she } from './she.ts';
import { parseSpec } from './spec.ts';
import { suggest } from './suggest.ts';
import { tempScale } from './temp-scale.ts';
import { vim } from './vim.ts';
import { vra } from './vra.ts';

/**
 * Every method, in the order of tables: an import and an entry each, and nothing else in the project names them, but for
 * the default in load-method.ts.
 */
export const methods: readonly Method[] = [
  himplos,
  energy,
  msp,
  maxLogit,
  odin,
  react,
  bats,
  dice,
  diceReact,
  line,
  mahalanobis,
  tempScale,
  knn,
  vim,
  residual,
  ashP,
  ashB,
  ashS,
  scale,
  gen,
  gradNorm,
  she,
  rmds,
  nnguide,
  fdbd,
  vra,
  klMatching,
  cosine,
];

/**
 * The detector for a spec `id[:key=value,…]`; its `spec` is the canonical form. Throws `bad-usage` for a spec that
 * cannot be read, and for an unknown id, key or value, with the nearest that exists.
 */
export function findDetector(spec: string): Detector {
  const { id, given } = parseSpec(spec);
  const method = methods.find((candidate) => candidate.id === id);
  if (method === undefined) {
    const ids = methods.map((candidate) => candidate.id);
    throw new HimplosError('bad-usage', `method ${id}: expected one of ${ids.join(', ')}`, {
      hint: suggest(id, ids) ?? 'himplos is the default',
    });
  }
  return method.bind(given);
}
