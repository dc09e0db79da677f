import { openFileStore } from '../../../shared/store/file-store.ts';

/** Adds one to the number in an object, many times, against others who do the same. Arguments: folder, key, times. */
const [folder, key, times] = process.argv.slice(2) as [string, string, string];
const store = openFileStore(folder);
for (let done = 0; done < Number(times); ) {
  const { body, etag } = await store.get(key, { maxBytes: 100 });
  const next = new TextEncoder().encode(String(Number(new TextDecoder().decode(body)) + 1));
  try {
    await store.put(key, next, { ifMatch: etag });
    done++;
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    // Losing is expected; so is losing one's turn when the machine is slow.
    if (code !== 'conflict' && code !== 'unavailable') throw error;
  }
}
