import { extname } from 'node:path';
import type { UiInstall } from '../../core/api/internal.ts';
import type { Coding } from './encodings.ts';

/** What a browser may take a file for. Anything else is a download. */
const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.wasm': 'application/wasm',
  '.txt': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.avif': 'image/avif',
  '.ico': 'image/x-icon',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.ttf': 'font/ttf',
  '.otf': 'font/otf',
  '.mp3': 'audio/mpeg',
  '.mp4': 'video/mp4',
  '.webm': 'video/webm',
};

const PERMISSIONS_OFF = [
  'accelerometer',
  'autoplay',
  'camera',
  'clipboard-read',
  'clipboard-write',
  'display-capture',
  'encrypted-media',
  'fullscreen',
  'geolocation',
  'gyroscope',
  'hid',
  'magnetometer',
  'microphone',
  'midi',
  'payment',
  'publickey-credentials-get',
  'screen-wake-lock',
  'serial',
  'usb',
  'xr-spatial-tracking',
]
  .map((feature) => `${feature}=()`)
  .join(', ');

/**
 * `'self'` is the origin of the file's own URL even though `sandbox` gives the page an opaque one (CSP 3, "self-origin"). Frames of
 * any site may show it: that is what it is for, and it holds nothing of the user.
 */
function contentSecurityPolicy({ connectSrc, imgSrc, fontSrc, frameSrc }: UiInstall['csp']): string {
  const sources = (base: string[], more: string[] = []): string => [...base, ...more].join(' ') || "'none'";
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    `img-src ${sources(["'self'", 'data:'], imgSrc)}`,
    `font-src ${sources(["'self'", 'data:'], fontSrc)}`,
    `connect-src ${sources(["'self'"], connectSrc)}`,
    `frame-src ${sources([], frameSrc)}`,
    "form-action 'none'",
    "base-uri 'none'",
    'frame-ancestors *',
    'sandbox allow-scripts',
  ].join('; ');
}

const IMMUTABLE = 'public, max-age=31536000, immutable';
/** Of a page that stands in for a file that is not there: other requests for the same URL get none. */
export const FALLBACK_VARY = 'accept, sec-fetch-mode';

/** Of every answer of the public listener, whatever it is; names and values by turns, as all headers here. */
export const UI_SECURITY_HEADERS: readonly string[] = Object.entries({
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'permissions-policy': PERMISSIONS_OFF,
  // Sandboxed frames have an opaque origin, so their own modules and fonts are cross-origin to them.
  'access-control-allow-origin': '*',
  'cross-origin-resource-policy': 'cross-origin',
}).flat();

/** Of a file in one form, whether all of it is sent, a part or nothing. */
export function answerHeaders(sent: {
  file: string;
  ui: UiInstall;
  coding: Coding;
  etag: string;
  /** Whether the file has other forms. */
  varies: boolean;
}): string[] {
  const { file, ui, coding, etag, varies } = sent;
  return [
    ...UI_SECURITY_HEADERS,
    ...mediaHeaders(file),
    'content-security-policy',
    contentSecurityPolicy(ui.csp),
    'cache-control',
    IMMUTABLE,
    'etag',
    etag,
    'accept-ranges',
    'bytes',
    ...(coding === 'identity' ? [] : ['content-encoding', coding]),
    ...(varies ? ['vary', 'accept-encoding'] : []),
  ];
}

/** Type of a file by its name alone; what is unknown is not to be shown. */
function mediaHeaders(path: string): string[] {
  const type = MEDIA_TYPES[extname(path).toLowerCase()];
  if (type !== undefined) return ['content-type', type];
  return ['content-type', 'application/octet-stream', 'content-disposition', 'attachment'];
}
