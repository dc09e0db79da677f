/** Markup that may stand in a page as it is. */
export class Html {
  readonly text: string;

  /** @param text well-formed markup; text from outside goes through {@link html} instead */
  constructor(text: string) {
    this.text = text;
  }
}

/** What a template takes: markup stays, anything else is escaped; nothing for undefined and false. */
export type HtmlValue = Html | string | number | undefined | false | readonly HtmlValue[];

/** A template for HTML and SVG: whatever is put into it is text unless it is {@link Html} already. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = strings[0]!;
  values.forEach((value, i) => {
    text += render(value) + strings[i + 1]!;
  });
  return new Html(text);
}

function render(value: HtmlValue): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(render).join('');
  return escapeHtml(String(value));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it may stand between tags and in quoted attributes; control characters become U+FFFD. */
function escapeHtml(text: string): string {
  return text
    .replaceAll(/[&<>"']/g, (character) => ENTITIES[character]!)
    .replaceAll(/(?!\n)\p{Cc}|\p{Cs}/gu, '\ufffd');
}
