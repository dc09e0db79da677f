import { OUTPUT_TYPES, OUTPUTS } from '../../shared/protocol/inference-v2.ts';
import { MAX_BODY_BYTES, MAX_ROWS } from '../../shared/protocol/limits.ts';
import { MEDIA_TYPES } from '../../shared/protocol/score-request.ts';
import { MAX_IMAGES } from '../images/image-request.ts';

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
        'Open Inference Protocol: score a tensor',
        'InferRequest',
        'InferAnswer',
        [name()],
      ),
      '/openapi.json': get('This document', 'Anything'),
    },
    components: { schemas: SCHEMAS, parameters: { Name: NAME } },
  };
}

type Schema = Readonly<Record<string, unknown>>;

const TEXT = { type: 'string' };
/** The smallest number that rounds to infinity in float32. */
const OVERFLOW = 2 ** 128 - 2 ** 103;
/** Bodies of other kinds than JSON. */
const BODIES = {
  'application/octet-stream': binary('little-endian float32, row-major, or a .npy file'),
  'application/x-npy': binary('float32 or float64, [N, width] or [width]'),
  'application/x-safetensors': binary('a tensor `features`, or the only one: as for .npy'),
} as const;
const NUMBER = { type: 'number' };
const COUNT = { type: 'integer', minimum: 0 };
const VERSION = { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of detector.safetensors' };

const NAME = { name: 'name', in: 'path', required: true, schema: TEXT, description: 'the detector' };

const SCHEMAS: Readonly<Record<string, Schema>> = {
  Feature: {
    ...NUMBER,
    exclusiveMinimum: -OVERFLOW,
    exclusiveMaximum: OVERFLOW,
    description: 'what float32 can hold',
  },
  Sample: {
    type: 'array',
    items: ref('Feature'),
    minItems: 1,
    description: 'penultimate features of one sample',
  },
  Samples: { type: 'array', items: ref('Sample'), minItems: 1, maxItems: MAX_ROWS },
  ScoreRequest: {
    type: 'object',
    additionalProperties: false,
    properties: {
      features: { oneOf: [ref('Sample'), ref('Samples')] },
      features_base64: {
        type: 'string',
        format: 'features-base64',
        description: 'little-endian float32, row-major, in base64',
      },
      detail: { enum: ['full', 'none'] },
      fdr: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
    },
    oneOf: [{ required: ['features'] }, { required: ['features_base64'] }],
  },
  ImageRequest: {
    type: 'object',
    additionalProperties: false,
    properties: {
      images: {
        type: 'array',
        items: { type: 'string', description: 'an image in base64, or an s3:// address' },
        minItems: 1,
        maxItems: MAX_IMAGES,
      },
      detail: { enum: ['full', 'none'] },
      fdr: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
    },
    required: ['images'],
  },
  Result: object(
    {
      score: { ...NUMBER, description: 'higher is more in-distribution' },
      decision: { enum: ['id', 'ood'] },
      predicted_class: COUNT,
      predicted_name: TEXT,
      p_value: { ...NUMBER, description: 'conformal; small values speak for out-of-distribution' },
      cosine: { type: ['number', 'null'], description: "to the predicted class's prototype" },
      warnings: { type: 'array', items: { enum: ['zero_features', 'no_prototype', 'negative_cosine'] } },
      fdr_ood: { type: 'boolean' },
      detail: { type: 'object' },
    },
    ['score', 'decision', 'predicted_class', 'predicted_name', 'p_value', 'cosine', 'warnings'],
  ),
  ScoreAnswer: object({
    artifact_version: VERSION,
    method: TEXT,
    gamma: { ...NUMBER, description: 'samples that score lower are out-of-distribution' },
    results: { type: 'array', items: ref('Result') },
  }),
  Detector: object(
    { name: TEXT, artifact_version: VERSION, method: TEXT, gamma: NUMBER, width: COUNT, classes: COUNT },
    ['name', 'artifact_version', 'method', 'gamma', 'width', 'classes'],
  ),
  Health: object({ status: { const: 'ok' }, artifact_version: VERSION }),
  Models: object({ models: { type: 'array', items: TEXT } }),
  ModelReady: object({ name: TEXT, ready: { const: true } }),
  PredictRequest: {
    type: 'object',
    additionalProperties: false,
    properties: { instances: ref('Samples'), signature_name: {} },
    required: ['instances'],
  },
  PredictAnswer: object({ predictions: { type: 'array', items: ref('Result') } }),
  ServerMetadata: object({ name: TEXT, version: TEXT, extensions: { type: 'array', items: TEXT } }),
  Live: object({ live: { const: true } }),
  Ready: object({ ready: { const: true } }),
  Tensor: object({ name: TEXT, datatype: TEXT, shape: { type: 'array', items: { type: 'integer' } } }),
  ModelMetadata: object({
    name: TEXT,
    versions: { type: 'array', items: VERSION },
    platform: TEXT,
    inputs: { type: 'array', items: ref('Tensor') },
    outputs: { type: 'array', items: ref('Tensor') },
  }),
  InferRequest: {
    type: 'object',
    additionalProperties: false,
    properties: {
      id: { type: 'string', maxLength: 1000 },
      parameters: { type: 'object', properties: { binary_data_output: { type: 'boolean' } } },
      inputs: {
        type: 'array',
        minItems: 1,
        maxItems: 1,
        items: {
          type: 'object',
          additionalProperties: false,
          properties: {
            name: { const: 'features' },
            datatype: { enum: ['FP32', 'FP64'] },
            shape: { type: 'array', items: COUNT, minItems: 1, maxItems: 2, description: '[N, width]' },
            parameters: { type: 'object', properties: { binary_data_size: COUNT } },
            data: {
              description: 'N × width numbers, flat or nested',
              anyOf: [{ type: 'array', items: ref('Feature'), minItems: 1 }, ref('Samples')],
            },
          },
          required: ['name', 'datatype', 'shape'],
        },
      },
      outputs: {
        type: 'array',
        maxItems: OUTPUTS.length,
        items: {
          type: 'object',
          additionalProperties: false,
          properties: {
            name: { enum: OUTPUTS },
            parameters: { type: 'object', properties: { binary_data: { type: 'boolean' } } },
          },
          required: ['name'],
        },
      },
    },
    required: ['inputs'],
  },
  InferAnswer: object(
    {
      model_name: TEXT,
      model_version: VERSION,
      id: TEXT,
      parameters: { type: 'object' },
      outputs: {
        type: 'array',
        items: object({
          name: { enum: OUTPUTS },
          datatype: { enum: [...new Set(Object.values(OUTPUT_TYPES))] },
          shape: { type: 'array', items: COUNT },
          data: { type: 'array' },
        }),
      },
    },
    ['model_name', 'model_version', 'parameters', 'outputs'],
  ),
  Error: object({
    error: {
      oneOf: [
        object({ code: TEXT, message: TEXT, hint: TEXT }, ['code', 'message']),
        { type: 'string', description: 'as the Open Inference Protocol wants it' },
      ],
    },
  }),
  Anything: { type: 'object' },
};

const ERRORS: Readonly<Record<number, string>> = {
  400: 'The request cannot be understood',
  404: 'There is no such model, version or address',
  405: 'The address does not take this method',
  413: 'The request is too large',
  415: 'The kind of body or element type is not supported',
  503: 'No detector can be served',
};

function responses(schema: string): object {
  const failures = Object.entries(ERRORS).map(([status, description]) => [
    status,
    { description, content: { 'application/json': { schema: ref('Error') } } },
  ]);
  return {
    200: { description: 'Done', content: { 'application/json': { schema: ref(schema) } } },
    ...Object.fromEntries(failures),
  };
}

function get(summary: string, schema: string, parameters: readonly object[] = []): object {
  return { get: { summary, parameters, responses: responses(schema) } };
}

function post(summary: string, body: string, answer: string, parameters: readonly object[]): object {
  const requestBody = { required: true, content: { 'application/json': { schema: ref(body) } } };
  return { post: { summary, parameters, requestBody, responses: responses(answer) } };
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

function object(properties: Readonly<Record<string, Schema>>, required = Object.keys(properties)): Schema {
  return { type: 'object', properties, required };
}

function ref(schema: string): Schema {
  return { $ref: `#/components/schemas/${schema}` };
}
