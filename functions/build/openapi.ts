import { MAX_BODY_BYTES, MAX_ROWS } from '../../shared/protocol/limits.ts';
import { MEDIA_TYPES } from '../../shared/protocol/score-request.ts';
import { MAX_IMAGES } from '../images/image-request.ts';
import { ref, SCHEMAS, type Schema, TEXT } from './openapi-schemas.ts';

/**
 * The OpenAPI 3.1 description of functions/http/app.ts. The server fills in the width of a sample (`Sample.minItems`
 * and `maxItems`) once it knows its detector.
 */
export function openapiDocument(version: string): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'himplos',
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description:
        "Says for each sample whether a classifier should be trusted with it. Send the classifier's penultimate features; a score below the threshold gamma means out-of-distribution (ood).",
    },
    paths: {
      '/v1/score': {
        post: {
          summary: 'Score samples',
          parameters: [
            query(
              'detail',
              { enum: ['full', 'none'] },
              'full adds the reasons for each score (64 samples at most)',
            ),
            query(
              'fdr',
              { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
              'tolerated share of false alarms: adds decisions by Benjamini and Hochberg over the batch',
            ),
          ],
          requestBody: {
            required: true,
            description: `At most ${MAX_BODY_BYTES} bytes and ${MAX_ROWS} samples.`,
            content: Object.fromEntries(
              MEDIA_TYPES.map((type) => [
                type,
                { schema: type === 'application/json' ? ref('ScoreRequest') : BODIES[type] },
              ]),
            ),
          },
          responses: responses('ScoreAnswer'),
        },
      },
      '/v1/images': {
        post: {
          summary: 'Score images',
          parameters: [
            query('detail', { enum: ['full', 'none'] }, 'full adds the reasons for each score'),
            query('fdr', { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 }, 'as for /v1/score'),
          ],
          requestBody: {
            required: true,
            description: `One image as it is, a form with a file for each, or JSON with up to ${MAX_IMAGES}.`,
            content: {
              'image/*': { schema: {} },
              'application/octet-stream': { schema: {} },
              'multipart/form-data': { schema: { type: 'object' } },
              'application/json': { schema: ref('ImageRequest') },
            },
          },
          responses: responses('ScoreAnswer'),
        },
      },
      '/v1/detector': get('Describe the detector', 'Detector'),
      '/healthz': get('Whether a detector is loaded', 'Health'),
      '/v1/models': get('KServe V1: list models', 'Models'),
      '/v1/models/{name}': get('KServe V1: whether the model is ready', 'ModelReady', [name()]),
      '/v1/models/{name}:predict': post('KServe V1: score instances', 'PredictRequest', 'PredictAnswer', [
        name(),
      ]),
      '/v2': get('Open Inference Protocol: server metadata', 'ServerMetadata'),
      '/v2/health/live': get('Open Inference Protocol: whether the server runs', 'Live'),
      '/v2/health/ready': get('Open Inference Protocol: whether a detector is loaded', 'Ready'),
      '/v2/models/{name}': get('Open Inference Protocol: model metadata', 'ModelMetadata', [name()]),
      '/v2/models/{name}/ready': get('Open Inference Protocol: whether the model is ready', 'ModelReady', [
        name(),
      ]),
      '/v2/models/{name}/infer': post(
        'Open Inference Protocol: score a tensor; bodies of its binary tensor data extension are taken, too',
        'InferRequest',
        'InferAnswer',
        [name()],
        // With outputs by the binary tensor data extension, where the request asks for them.
        { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
      ),
      '/openapi.json': get('This document', 'Anything'),
    },
    components: { schemas: SCHEMAS, parameters: { Name: NAME } },
  };
}

/** Bodies of other kinds than JSON. */
const BODIES = {
  'application/octet-stream': binary('little-endian float32, row-major, or a .npy file'),
  'application/x-npy': binary('float32 or float64, [N, width] or [width]'),
  'application/x-safetensors': binary('a tensor `features`, or the only one: as for .npy'),
} as const;
const NAME = { name: 'name', in: 'path', required: true, schema: TEXT, description: 'the detector' };

const ERRORS: Readonly<Record<number, string>> = {
  400: 'The request cannot be understood',
  404: 'There is no such model, version or address',
  405: 'The address does not take this method',
  413: 'The request is too large',
  415: 'The kind of body or element type is not supported',
  503: 'No detector can be served',
};

function responses(schema: string, otherContent: object = {}): object {
  const failures = Object.entries(ERRORS).map(([status, description]) => [
    status,
    { description, content: { 'application/json': { schema: ref('Error') } } },
  ]);
  return {
    200: { description: 'Done', content: { 'application/json': { schema: ref(schema) }, ...otherContent } },
    ...Object.fromEntries(failures),
  };
}

function get(summary: string, schema: string, parameters: readonly object[] = []): object {
  return { get: { summary, parameters, responses: responses(schema) } };
}

function post(
  summary: string,
  body: string,
  answer: string,
  parameters: readonly object[],
  otherContent?: object,
): object {
  const requestBody = { required: true, content: { 'application/json': { schema: ref(body) } } };
  return { post: { summary, parameters, requestBody, responses: responses(answer, otherContent) } };
}

function query(parameter: string, schema: Schema, description: string): object {
  return { name: parameter, in: 'query', schema, description };
}

function name(): object {
  return { $ref: '#/components/parameters/Name' };
}

function binary(description: string): Schema {
  return { type: 'string', format: 'binary', description };
}
