import { setImmediate as turn } from 'node:timers/promises';
import asc from 'assemblyscript/asc';

const ACCUMULATORS = 12;
const STEPS = 2_000_000;

/**
 * GFLOP/s of fused multiply–adds on registers alone, four lanes wide as WebAssembly has them: what no kernel here can
 * exceed. Undefined without relaxed SIMD.
 */
export async function measurePeak(): Promise<number | undefined> {
  const { module } = await WebAssembly.compile(await compilePeak()).then(
    (compiled) => ({ module: compiled }),
    () => ({ module: undefined }),
  );
  if (module === undefined) return undefined;
  const run = new WebAssembly.Instance(module).exports.run as (steps: number) => number;
  let best = 0;
  for (let round = 0; round < 20; round++) {
    const start = performance.now();
    run(STEPS);
    best = Math.max(best, (STEPS * ACCUMULATORS * 8) / (performance.now() - start) / 1e6);
    await turn(); // lets the optimised code take over
  }
  return best;
}

async function compilePeak(): Promise<Uint8Array<ArrayBuffer>> {
  const names = Array.from({ length: ACCUMULATORS }, (_, i) => `a${i}`);
  const source = `export function run(steps: i32): f32 {
    // From memory: V8 makes constants anew for every use.
    const x = v128.load(1024);
    let y = v128.load(1040);
    ${names.map((name, i) => `let ${name} = f32x4.splat(${i});`).join('\n')}
    for (let i = 0; i < steps; i++) {
      ${names.map((name) => `${name} = f32x4.relaxed_madd(x, y, ${name});`).join('\n')}
    }
    ${names.map((name) => `y = f32x4.add(y, ${name});`).join('\n')}
    return f32x4.extract_lane(y, 0);
  }`;
  let bytes = new Uint8Array(0);
  const { error, stderr } = await asc.main(
    [
      ...['peak.ts', '--outFile', 'peak.wasm', '--runtime', 'stub', '--initialMemory', '1', '-O3'],
      ...['--enable', 'simd', '--enable', 'relaxed-simd'],
    ],
    {
      readFile: (name) => (name === 'peak.ts' ? source : null),
      writeFile: (_, contents) => {
        bytes = new Uint8Array(contents as Uint8Array);
      },
    },
  );
  if (error !== null) throw new Error(stderr.toString(), { cause: error });
  return bytes;
}
