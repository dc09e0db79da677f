import { HimplosError } from '../../shared/errors.ts';
import { suggest } from '../../shared/methods/suggest.ts';
import { FIGURES, type Figure } from './results.ts';

/** `--figures fpr95,auroc`: which figures tables show, in that order. Throws `bad-usage`. */
export function parseFigures(text: string): readonly Figure[] {
  const names = text === 'all' ? [...FIGURES] : text.split(',');
  return [...new Set(names)].map((name) => {
    const figure = FIGURES.find((known) => known === name);
    if (figure !== undefined) return figure;
    throw new HimplosError(
      'bad-usage',
      `--figures: expected some of ${FIGURES.join(', ')}, or all, got ${JSON.stringify(name.slice(0, 50))}`,
      { hint: suggest(name, FIGURES) ?? 'for example --figures fpr95,auroc,aupr_in' },
    );
  });
}
