import documents from './api-documents.json' with { type: 'json' };

/**
 * The OpenAPI document of one server: with the name of its model, and the width of its samples (undefined while it has
 * no detector), and without `/v1/images` where the server has no such route.
 */
export function openapiFor(
  model: string,
  width: number | undefined,
  hasPath: (path: string) => boolean,
): object {
  const { openapi } = documents;
  const { [IMAGES]: images, ...others } = openapi.paths;
  const paths = hasPath(IMAGES) ? { [IMAGES]: images, ...others } : others;
  const { schemas, parameters } = openapi.components;
  const widths = width === undefined ? {} : ofWidth(schemas, width);
  const Name = { ...parameters.Name, schema: { ...parameters.Name.schema, enum: [model] } };
  return {
    ...openapi,
    paths,
    components: { schemas: { ...schemas, ...widths }, parameters: { ...parameters, Name } },
  };
}

function ofWidth({ Sample, BatchShape, SampleShape }: Schemas, width: number): object {
  const [rows] = BatchShape.prefixItems;
  const columns = { const: width };
  return {
    Sample: { ...Sample, minItems: width, maxItems: width },
    BatchShape: { ...BatchShape, prefixItems: [rows, columns] },
    SampleShape: { ...SampleShape, prefixItems: [columns] },
  };
}

type Schemas = typeof documents.openapi.components.schemas;

/** The page that says the same to people. */
export const docsPage: string = documents.html;

const IMAGES = '/v1/images';
