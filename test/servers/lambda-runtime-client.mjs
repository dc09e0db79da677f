// A runtime client without native code: what `aws-lambda-ric` does, as far as a handler can tell. Run in a process of
// its own with the handler (`index.handler`) as its argument; see lambda-runtime-api.ts. Plain JavaScript, because
// stripping types would add 60 ms to every start that is measured.
import { createRequire } from 'node:module';
import { join } from 'node:path';

// Not imported, as aws-lambda-ric does not either: an import of node:http loads fetch and all that belongs to it.
const { Agent, request } = createRequire(import.meta.url)('node:http');

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const base = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`;

const handler = await load(process.argv[2]);
for (;;) {
  const { headers, body } = await call('GET', '/invocation/next');
  const id = String(headers['lambda-runtime-aws-request-id']);
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const context = {
    awsRequestId: id,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  try {
    const result = await handler(JSON.parse(body), context);
    await call('POST', `/invocation/${id}/response`, JSON.stringify(result ?? null));
  } catch (error) {
    await call('POST', `/invocation/${id}/error`, describe(error), {
      'lambda-runtime-function-error-type': error.name,
    });
  }
}

async function load(name) {
  const [file, exported] = name.split('.');
  try {
    return createRequire(import.meta.url)(join(process.env.LAMBDA_TASK_ROOT, `${file}.js`))[exported];
  } catch (error) {
    await call('POST', '/init/error', describe(error));
    process.exit(1);
  }
}

function call(method, path, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${base}${path}`, { method, agent, headers }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function describe({ name, message, stack }) {
  return JSON.stringify({ errorType: name, errorMessage: message, trace: stack?.split('\n') });
}
