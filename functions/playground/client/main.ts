import { type DetectorAnswer, type Problem, type Result, round } from './answers.ts';
import { parseVector } from './parse-vector.ts';
import { make, showResult } from './show-result.ts';

const byId = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const input = byId<HTMLInputElement>('image');
const drop = byId('drop');
const vector = byId<HTMLTextAreaElement>('vector');
const answer = byId('answer');
const result = byId('result');
const problem = byId('problem');

/** Counts requests: an answer that comes after a later question is not shown. */
let asked = 0;

const detector = ask<DetectorAnswer>('v1/detector');
detector.then(describe, report);

input.addEventListener('change', () => {
  const file = input.files?.[0];
  if (file !== undefined) void scoreImage(file);
});
// So that choosing the same file again is a change.
input.addEventListener('click', () => {
  input.value = '';
});
for (const type of ['dragenter', 'dragover'] as const) {
  drop.addEventListener(type, (event) => {
    event.preventDefault();
    drop.classList.add('over');
  });
}
drop.addEventListener('dragleave', () => drop.classList.remove('over'));
drop.addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  const file = event.dataTransfer?.files[0];
  if (file !== undefined) void scoreImage(file);
});
byId('vector-form').addEventListener('submit', (event) => {
  event.preventDefault();
  void show(async () => {
    const features = parseVector(vector.value, (await detector).width);
    return post('v1/score?detail=full', 'application/json', JSON.stringify({ features }));
  });
});

function describe({ name, method, gamma, artifact_version, width, takes_images }: DetectorAnswer): void {
  byId('detector').textContent =
    `Detector ${name}, version ${artifact_version.slice(0, 12)}. Method ${method.replaceAll(',', ', ')}. Threshold γ = ${round(gamma)}.`;
  byId('vector-note').textContent = `${width} numbers, separated by commas or spaces.`;
  if (takes_images) return;
  input.disabled = true;
  byId('image-note').textContent = 'This detector was calibrated from features: it takes no images.';
}

async function scoreImage(file: File): Promise<void> {
  await show(async () => {
    if (file.size === 0) throw new Error('The file is empty.');
    return post('v1/images?detail=full', 'application/octet-stream', file);
  }, file);
}

/** Shows what a question comes to: a result, or what was wrong with it. */
async function show(question: () => Promise<Result>, file?: File): Promise<void> {
  const mine = ++asked;
  problem.replaceChildren();
  answer.replaceChildren(make('p', 'Scoring…', undefined, 'note'));
  answer.setAttribute('aria-busy', 'true');
  try {
    const about = await detector;
    const found = await question();
    const picture = file === undefined ? undefined : await pictureOf(file);
    if (mine === asked) answer.replaceChildren(...showResult(found, about, picture));
  } catch (error) {
    if (mine === asked) report(error);
  } finally {
    if (mine === asked) {
      answer.removeAttribute('aria-busy');
      bringIntoView();
    }
  }
}

/** On a phone the result is below what was asked. */
function bringIntoView(): void {
  const { top } = result.getBoundingClientRect();
  if (top < 0 || top > window.innerHeight / 2) result.scrollIntoView({ block: 'start' });
}

function report(error: unknown): void {
  answer.replaceChildren();
  const { message, hint } = error as Problem;
  // The page sends one image: which one it was is no news.
  problem.replaceChildren(
    make('p', '! No answer', undefined, 'verdict'),
    make('p', message.replace(/^images\[0\]: /, '')),
    ...(hint === undefined ? [] : [make('p', `What to do: ${hint}.`)]),
  );
}

/** The picture as the browser shows it; nothing where it cannot (TIFF, for example). */
async function pictureOf(file: File): Promise<HTMLImageElement | undefined> {
  const picture = new Image();
  const address = URL.createObjectURL(file);
  picture.src = address;
  picture.alt = `The image that was scored: ${file.name}`;
  try {
    await picture.decode();
  } catch {
    return undefined;
  } finally {
    URL.revokeObjectURL(address);
  }
  picture.className = picture.naturalWidth < 128 ? 'picture tiny' : 'picture';
  return picture;
}

async function post(path: string, type: string, body: BodyInit): Promise<Result> {
  const { results } = await ask<{ results: readonly Result[] }>(path, {
    method: 'POST',
    headers: { 'content-type': type },
    body,
  });
  return results[0]!;
}

async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw { message: 'The server does not answer.', hint: 'see whether himplos serve still runs' };
  }
  const body = await response.json();
  if (!response.ok) throw (body as { error: Problem }).error;
  return body as T;
}
