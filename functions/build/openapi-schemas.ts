import { OUTPUT_TYPES, OUTPUTS } from '../../shared/protocol/inference-v2.ts';
import { MAX_ROWS } from '../../shared/protocol/limits.ts';
import { MAX_IMAGES } from '../images/image-request.ts';

/** A JSON Schema of draft 2020-12, as OpenAPI 3.1 takes it. */
export type Schema = Readonly<Record<string, unknown>>;

export const TEXT = { type: 'string' };
/** The smallest number that rounds to infinity in float32. */
const OVERFLOW = 2 ** 128 - 2 ** 103;
const NUMBER = { type: 'number' };
const COUNT = { type: 'integer', minimum: 0 };
const VERSION = { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of detector.safetensors' };

/** What the service takes and says, by the names that {@link ref} is given. */
export const SCHEMAS: Readonly<Record<string, Schema>> = {
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
  Shape: {
    anyOf: [ref('BatchShape'), ref('SampleShape')],
    description: '[N, width] or [width]; the data are as many numbers as their product',
  },
  BatchShape: {
    type: 'array',
    prefixItems: [{ type: 'integer', minimum: 1, maximum: MAX_ROWS }, COUNT],
    minItems: 2,
    maxItems: 2,
  },
  SampleShape: { type: 'array', prefixItems: [COUNT], minItems: 1, maxItems: 1 },
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
            shape: ref('Shape'),
            parameters: {
              type: 'object',
              not: { required: ['binary_data_size'] },
              description: 'binary_data_size belongs to bodies of the binary tensor data extension',
            },
            data: {
              description: 'N × width numbers, flat or nested',
              anyOf: [{ type: 'array', items: ref('Feature'), minItems: 1 }, ref('Samples')],
            },
          },
          required: ['name', 'datatype', 'shape', 'data'],
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

/** Refers to one of {@link SCHEMAS}. */
export function ref(schema: string): Schema {
  return { $ref: `#/components/schemas/${schema}` };
}

function object(properties: Readonly<Record<string, Schema>>, required = Object.keys(properties)): Schema {
  return { type: 'object', properties, required };
}
