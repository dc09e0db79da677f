import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { API_DOCUMENTS_FILE, makeApiDocuments } from '../../functions/build/api-documents.ts';
import { buildFunction } from '../../functions/build/functions.ts';
import { zip } from '../../functions/build/zip.ts';

const MAX_ZIP_BYTES = 200_000;
const hasUnzip = spawnSync('unzip', ['-v']).status === 0;

describe('the embeddings function’s package', () => {
  it('stays below 200 KB, has no native code and is the same every time', async () => {
    const { files } = await buildFunction('embeddings');
    const archive = zip(files);
    expect(archive.length).toBeLessThanOrEqual(MAX_ZIP_BYTES);
    expect(Buffer.compare(archive, zip((await buildFunction('embeddings')).files))).toBe(0);
    for (const { bytes } of files) {
      const code = Buffer.from(bytes).toString();
      expect(code).not.toMatch(/\.node["']/);
      expect(code).not.toContain(process.cwd());
    }
  });

  it('leaves what the first answer does not need to files of their own', async () => {
    const { files } = await buildFunction('embeddings');
    const isLater = /^(telemetry-output|openapi-for|file-store|registry)-/;
    expect(files.filter(({ name }) => isLater.test(name))).toHaveLength(4);
    const first = files.filter(({ name }) => !isLater.test(name));
    expect(first.reduce((total, { bytes }) => total + bytes.length, 0)).toBeLessThanOrEqual(160_000);
    for (const { bytes } of first)
      expect(Buffer.from(bytes).toString()).not.toMatch(/powertools|_zod|openapi:|mahalanobis/i);
  });

  it.skipIf(!hasUnzip)('unpacks with unzip (needs unzip)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'himplos-zip-'));
    try {
      const contents = Buffer.from('a'.repeat(10_000));
      const file = join(folder, 'a.zip');
      writeFileSync(
        file,
        zip([
          { name: 'index.js', bytes: contents },
          { name: 'größe/b.txt', bytes: contents },
        ]),
      );
      expect(spawnSync('unzip', ['-t', file]).status).toBe(0);
      const { stdout } = spawnSync('unzip', ['-p', file, 'index.js']);
      expect(Buffer.compare(stdout, contents)).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

it('the committed API documents follow from the code (else: npm run build:api)', async () => {
  expect((await readFile(API_DOCUMENTS_FILE, 'utf8')) === makeApiDocuments()).toBe(true);
});
