import type { HeaderMap } from '../../core/execute.ts';

/**
 * What a guest may say in headers. No cookies, no CORS, no authentication prompts; and no `location`: a client that follows it would
 * take its own key to wherever the extension points. Names beginning with `x-` are ours.
 */
const OUTWARD = [
  'cache-control',
  'content-disposition',
  'content-language',
  'content-type',
  'etag',
  'last-modified',
  'link',
  'retry-after',
  'vary',
];

const VALID_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const PLAIN_TYPE = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/;
/** Types in which a browser runs scripts. */
const ACTIVE_TYPE = /^(text\/(html|xml|xsl)|application\/xml|multipart\/.*|.*\+xml)$/;

/** The headers of an extension's answer as a client gets them, whatever the guest said. */
export function outwardHeaders(guest: HeaderMap): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(guest)) {
    const text = Array.isArray(value) ? value.join(', ') : value;
    if (OUTWARD.includes(name.toLowerCase()) && VALID_VALUE.test(text)) headers[name.toLowerCase()] = text;
  }
  headers['content-type'] = contentType(headers['content-type']);
  headers['cache-control'] = cacheControl(headers['cache-control']);
  // A browser's cache serves whoever uses it; one principal's answer is not another's.
  headers['vary'] = headers['vary'] === undefined ? 'authorization' : `${headers['vary']}, authorization`;
  headers['x-content-type-options'] = 'nosniff';
  if (ACTIVE_TYPE.test(essence(headers['content-type']))) {
    headers['content-security-policy'] = "sandbox; default-src 'none'";
    headers['content-disposition'] = 'attachment';
  }
  return headers;
}

function essence(type: string): string {
  return (type.split(';')[0] ?? '').trim().toLowerCase();
}

/** A type that browsers might read otherwise than we do (several in one, or malformed) is no type. */
function contentType(type: string | undefined): string {
  if (type === undefined || type.includes(',') || !PLAIN_TYPE.test(essence(type))) {
    return 'application/octet-stream';
  }
  return type;
}

/** What an API key opened is never for a shared cache. */
function cacheControl(value: string | undefined): string {
  if (value === undefined) return 'private, no-store';
  const directives = value
    .split(',')
    .map((directive) => directive.trim())
    .filter((directive) => directive !== '' && !/^(public|private|s-maxage)\b/i.test(directive));
  return ['private', ...directives].join(', ');
}
