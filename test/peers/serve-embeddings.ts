/** Serves a small detector on a free loopback port for clients in other languages; prints the port and what to expect. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createNodeServer } from '../../functions/http/node-server.ts';
import { prepareTwin } from '../../shared/kernel/prepare-scorer.ts';
import { allocateScores } from '../../shared/methods/contract.ts';
import { localApp } from '../functions/local-app.ts';
import { makeDetector } from '../functions/published.ts';

const [CLASSES, WIDTH, ROWS] = [5, 8, 20];

const made = await makeDetector(CLASSES, WIDTH);
const app = await localApp(made);
const server = createNodeServer(app.fetch);
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const features = made.features.slice(0, ROWS * WIDTH);
const scores = allocateScores(ROWS);
prepareTwin(made.fitted).score(features, ROWS, scores);
const { port } = server.address() as AddressInfo;
const { gamma } = made;
console.log(
  JSON.stringify({
    port,
    version: app.version,
    gamma,
    width: WIDTH,
    features: [...features],
    scores: [...scores.score],
    predicted: [...scores.predicted],
  }),
);
process.stdin.resume();
process.stdin.on('end', () => process.exit(app.bugs.length));
