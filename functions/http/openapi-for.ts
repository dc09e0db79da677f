import documents from './api-documents.json' with { type: 'json' };

/** The OpenAPI document with the width of this server's samples; undefined leaves it open. */
export function openapiFor(width: number | undefined): object {
  const { openapi } = documents;
  if (width === undefined) return openapi;
  const { schemas } = openapi.components;
  const Sample = { ...schemas.Sample, minItems: width, maxItems: width };
  return { ...openapi, components: { ...openapi.components, schemas: { ...schemas, Sample } } };
}
