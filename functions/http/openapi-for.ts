import documents from './api-documents.json' with { type: 'json' };

/**
 * The OpenAPI document of one server: with the name of its model, and the width of its samples (undefined while it has
 * no detector).
 */
export function openapiFor(model: string, width: number | undefined): object {
  const { openapi } = documents;
  const { schemas, parameters } = openapi.components;
  const Sample =
    width === undefined ? schemas.Sample : { ...schemas.Sample, minItems: width, maxItems: width };
  const Name = { ...parameters.Name, schema: { ...parameters.Name.schema, enum: [model] } };
  return {
    ...openapi,
    components: { schemas: { ...schemas, Sample }, parameters: { ...parameters, Name } },
  };
}
