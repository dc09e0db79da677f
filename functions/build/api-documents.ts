import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import packageJson from '../../package.json' with { type: 'json' };
import { openapiDocument } from './openapi.ts';

/** Where the documents are kept that the server sends as they are. */
export const API_DOCUMENTS_FILE = fileURLToPath(new URL('../http/api-documents.json', import.meta.url));

interface Operation {
  readonly summary: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly description: string;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> };
}

/** The text of api-documents.json: the OpenAPI document, and a page for people made from it. */
export function makeApiDocuments(): string {
  const openapi = openapiDocument(packageJson.version);
  return `${JSON.stringify({ openapi, html: docsPage(openapi) }, undefined, 1)}\n`;
}

function docsPage(openapi: object): string {
  const { info, paths, components } = openapi as {
    info: { title: string; version: string; description: string };
    paths: Record<string, Record<string, Operation>>;
    components: { schemas: Record<string, unknown> };
  };
  const sections = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => section(path, method, operation)),
  );
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details id="${name}"><summary><code>${name}</code></summary><pre>${escapeHtml(JSON.stringify(schema, undefined, 2))}</pre></details>`,
  );
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(info.title)} ${info.version}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#222}code,pre{font-size:.9em;background:#f4f4f4}pre{padding:.5rem;overflow:auto}h2{font-size:1.1rem;margin-top:2rem}</style>
<h1>${escapeHtml(info.title)} ${info.version}</h1>
<p>${escapeHtml(info.description)}</p>
<pre>curl -d '{"features": [0.1, 0.2, …]}' -H 'content-type: application/json' …/v1/score</pre>
<p><a href="openapi.json">openapi.json</a> says the same to programs.</p>
${sections.join('\n')}
<h2>Schemas</h2>
${schemas.join('\n')}
</html>
`;
}

function section(path: string, method: string, { summary, parameters, requestBody }: Operation): string {
  const queries = parameters.filter((parameter) => parameter.in === 'query');
  const listed = queries.map(
    (parameter) => `<li><code>?${parameter.name}=</code> ${escapeHtml(parameter.description)}</li>`,
  );
  const types = Object.keys(requestBody?.content ?? {}).map((type) => `<code>${type}</code>`);
  return [
    `<h2><code>${method.toUpperCase()} ${escapeHtml(path)}</code></h2><p>${escapeHtml(summary)}.`,
    types.length > 0 ? ` Takes ${types.join(', ')}.` : '',
    '</p>',
    listed.length > 0 ? `<ul>${listed.join('')}</ul>` : '',
  ].join('');
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

if (import.meta.main) await writeFile(API_DOCUMENTS_FILE, makeApiDocuments());
