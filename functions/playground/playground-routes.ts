import type { AddRoutes } from '../http/app.ts';
import page from './playground-page.json' with { type: 'json' };

/** Nothing but this server's own files and requests to it; pictures also from the page's own memory. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-cache',
};

/** The playground: a page that scores an image or a vector and shows why. It needs nothing from elsewhere. */
export const playgroundRoutes: AddRoutes = (app) => {
  const add = (path: string, type: string, text: string) =>
    app.get(path, (c) => c.body(text, 200, { ...HEADERS, 'content-type': `${type}; charset=utf-8` }));
  add('/playground', 'text/html', page.html);
  add('/playground.css', 'text/css', page.css);
  app.get('/favicon.ico', (c) => c.body(null, 204));
  add('/playground.js', 'text/javascript', page.js);
};
