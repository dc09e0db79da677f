import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { findHead } from '../../../calibrate/onnx/find-head.ts';
import { parseModel, readModel } from '../../../calibrate/onnx/read-model.ts';
import { decodeSafetensors, encodeSafetensors } from '../../../shared/formats/safetensors.ts';
import { f32 } from '../../../shared/tensor.ts';
import { listBelow, newFolder, readError, runCommand, runWell } from '../run-command.ts';
import { type SmallProblem, smallClassifier, smallProblem } from './small-problem.ts';

/** Entries of an ONNX file's metadata_props. */
function metadataOf(file: string): Record<string, string> {
  const { metadataProps } = parseModel(readFileSync(file), file);
  return Object.fromEntries(metadataProps.map(({ key, value }) => [key, value]));
}

describe('detector.onnx', () => {
  let problem: SmallProblem;
  let detector: string;
  let knn: string;
  beforeAll(async () => {
    problem = await smallProblem();
    detector = join(problem.folder, 'detector');
    knn = join(problem.folder, 'knn');
    await runWell(['calibrate', ...problem.options, '--out', detector]);
    await runWell(['calibrate', ...problem.options, '--method', 'knn:k=2', '--out', knn]);
  });

  const argv = (out: string, from = detector, model = problem.model) => [
    ...['export', '--detector', from, '--model', model, '--out', out],
  ];

  it('says in its metadata how to use it', async () => {
    const { version } = JSON.parse(readFileSync(join(detector, 'manifest.json'), 'utf8'));
    const { document } = await readDocument(detector);
    expect(metadataOf(join(detector, 'detector.onnx'))).toEqual({
      'himplos.method': 'himplos:mask=50,clip=p95,smoothing=scale,score=energy',
      'himplos.gamma': String(document.threshold.gamma),
      'himplos.direction': 'higher-is-id',
      'himplos.class_names': '["blue","green","red"]',
      'himplos.preprocessing': JSON.stringify(document.preprocessing),
      'himplos.version': version,
    });
    expect(document.preprocessing.mean).toEqual([0.5, 0.5, 0.5]);
  });

  describe('of a method without a closed graph', () => {
    it('has the features and nothing else', async () => {
      const file = join(knn, 'detector.onnx');
      expect(parseModel(readFileSync(file), file).graph!.output.map(({ name }) => name)).toEqual([
        'features',
      ]);
      expect(metadataOf(file)['himplos.method']).toMatch(/^knn:k=2/);
    });

    it('scores images, and features alike', async () => {
      const folder = newFolder();
      const files = [join(folder, 'id.npy'), join(folder, 'ood.npy')] as const;
      const cut = ['--model', problem.model, '--mean', '0.5,0.5,0.5', '--std', '0.5,0.5,0.5'];
      await runWell(['features', problem.calibration, ...cut, '--out', files[0]]);
      await runWell(['features', problem.ood, ...cut, '--out', files[1]]);
      const lines = async (...sources: string[]) =>
        (await runWell(['score', '--detector', knn, ...sources])).stdout
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line));
      const ofImages = await lines(problem.calibration, problem.ood);
      const ofFeatures = [...(await lines(files[0])), ...(await lines(files[1]))];
      expect(ofImages.length).toBe(19);
      const known = ofImages.slice(0, 15).filter(({ decision }) => decision === 'id');
      expect(known.length).toBeGreaterThanOrEqual(13);
      for (const { decision } of ofImages.slice(15)) expect(decision).toBe('ood');
      expect(ofFeatures.map(({ score, decision }) => [score, decision])).toEqual(
        ofImages.map(({ score, decision }) => [score, decision]),
      );
    });

    it('is not exported', async () => {
      const out = join(newFolder(), 'out.onnx');
      const { message } = readError(await runCommand(argv(out, knn)));
      expect(message).toMatch(/^knn:k=2.* has no form as an ONNX graph/);
    });
  });

  describe('export', () => {
    it('writes the very file that calibrate wrote', async () => {
      const out = join(newFolder(), 'out.onnx');
      const { stderr } = await runWell(argv(out));
      expect(stderr).toContain('himplos:mask=50');
      expect(readFileSync(out).equals(readFileSync(join(detector, 'detector.onnx')))).toBe(true);
    });

    it('finds the same head by the name of its input, and of a tensor that is not there says so', async () => {
      const folder = newFolder();
      const out = join(folder, 'out.onnx');
      const { headInput } = findHead(await readModel(problem.model));
      await runWell([...argv(out), '--head-input', headInput]);
      expect(readFileSync(out).equals(readFileSync(join(detector, 'detector.onnx')))).toBe(true);
      const again = await runCommand([...argv(join(folder, 'b.onnx')), '--head-input', 'nowhere']);
      expect(readError(again).message).toContain('nowhere');
    });

    it('writes a detector that was calibrated without the model into it', async () => {
      const folder = newFolder();
      const [head, features, bare, out] = ['head.safetensors', 'x.safetensors', 'bare', 'out.onnx'].map(
        (name) => join(folder, name),
      ) as [string, string, string, string];
      const { weight, bias, classes, width } = findHead(await readModel(problem.model)).head;
      writeFileSync(
        head,
        encodeSafetensors({ weight: f32(weight, classes, width), bias: f32(bias, classes) }),
      );
      const cut = ['--model', problem.model, '--mean', '0.5,0.5,0.5', '--std', '0.5,0.5,0.5'];
      await runWell(['features', problem.train, ...cut, '--out', features]);
      const roles = ['--train', features, '--calibration', features, '--allow-overlap', '--tpr', '0.9'];
      await runWell(['calibrate', '--head', head, ...roles, '--out', bare]);
      expect(listBelow(bare)).not.toContain('detector.onnx');
      await runWell(argv(out, bare));
      const outputs = parseModel(readFileSync(out), out).graph!.output.map(({ name }) => name);
      expect(outputs).toEqual(['logits', 'predicted_class', 'score', 'is_ood', 'cosine', 'features']);
      expect(metadataOf(out)['himplos.preprocessing']).toBe('null');
    });

    it('replaces what the metadata of an exported model says of another detector', async () => {
      const folder = newFolder();
      const energy = join(folder, 'energy');
      const [again, direct] = [join(folder, 'again.onnx'), join(folder, 'direct.onnx')];
      await runWell(['calibrate', ...problem.options, '--method', 'energy', '--out', energy]);
      await runWell(argv(again, energy, join(detector, 'detector.onnx')));
      await runWell(argv(direct, energy));
      expect(metadataOf(again)).toEqual(metadataOf(direct));
    });

    it('refuses a model with another head, naming both', async () => {
      const folder = newFolder();
      const other = join(folder, 'other.onnx');
      writeFileSync(other, smallClassifier(4));
      const out = join(folder, 'out.onnx');
      const { message, hint } = readError(await runCommand(argv(out, detector, other)));
      expect(message).toMatch(/expected the head .* 3 × 6 with fingerprint .* got .* 4 × 6 with fingerprint/);
      expect(hint).toContain('--head-input');
      const changed = join(folder, 'changed.onnx');
      writeFileSync(changed, changeWeight(smallClassifier()));
      expect(readError(await runCommand(argv(out, detector, changed))).message).toMatch(
        /3 × 6 with fingerprint (\w+)… *, got .* 3 × 6 with fingerprint (?!\1)/,
      );
      expect(listBelow(folder)).toEqual(['changed.onnx', 'other.onnx']);
    });

    it('never overwrites a file', async () => {
      const out = join(newFolder(), 'out.onnx');
      writeFileSync(out, 'mine');
      expect(readError(await runCommand(argv(out))).message).toContain('there is a file of that name');
      expect(readFileSync(out, 'utf8')).toBe('mine');
    });
  });
});

async function readDocument(folder: string) {
  const { metadata } = decodeSafetensors(new Uint8Array(readFileSync(join(folder, 'detector.safetensors'))));
  return { document: JSON.parse(metadata.himplos!) };
}

/** The same model with one weight of its head, a 3 in float32, made another number. */
function changeWeight(model: Uint8Array): Uint8Array {
  const bytes = Buffer.from(model);
  const three = Buffer.from(Float32Array.of(3).buffer);
  Buffer.from(Float32Array.of(2.5).buffer).copy(bytes, bytes.indexOf(three));
  return bytes;
}
