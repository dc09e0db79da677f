import { writeArtifactFolder } from '../../../shared/store/artifact-folder.ts';

/** Ends the process in the middle of writing an artifact into the folder given as the argument. */
const body = {
  bytes: 10,
  async *open(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(5);
    process.exit(7);
  },
};
await writeArtifactFolder(process.argv[2]!, [{ name: 'detector.safetensors', body }]);
