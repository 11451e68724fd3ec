import type { HeaderMap } from '../../core/execute.ts';

/** What a guest may say in headers that may come several times. */
const LISTS = ['cache-control', 'content-language', 'link', 'vary'];

/**
 * What a guest may say beside, each once: of two values nobody knows which is meant. No cookies, no CORS, no authentication prompts. Names
 * beginning with `x-` are ours.
 */
const SINGLE = ['content-disposition', 'content-type', 'etag', 'last-modified', 'retry-after'];

const VALID_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const PLAIN_TYPE = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/;
/** Types in which a browser runs scripts. */
const ACTIVE_TYPE = /^(text\/(html|xml|xsl)|application\/xml|multipart\/.*|.*\+xml)$/;

/** What is known of a request whose answer it is. */
export interface Answered {
  /** Path of the request, from the origin. */
  path: string;
  /** Of the extension, from the origin: what begins with one of them is below its own root. */
  roots: readonly string[];
  /** What the answer varies by beside what the guest says. */
  vary: readonly string[];
}

/** The headers of an extension's answer as a client gets them, whatever the guest said; a list is several lines. */
export function outwardHeaders(guest: HeaderMap, answered: Answered): Record<string, string | string[]> {
  const lists: Record<string, string[]> = {};
  const headers: Record<string, string | string[]> = {};
  for (const [given, value] of Object.entries(guest)) {
    const name = given.toLowerCase();
    const values = [value].flat().filter((text) => VALID_VALUE.test(text));
    const [first] = values;
    if (first === undefined) continue;
    if (LISTS.includes(name)) lists[name] = values;
    else if (values.length > 1) continue;
    else if (SINGLE.includes(name)) headers[name] = first;
    else if (name === 'location' && isBelow(first, answered)) headers[name] = first;
  }
  const { 'cache-control': caching, vary = [], ...kept } = lists;
  const type = contentType(headers['content-type'] as string | undefined);
  Object.assign(headers, kept);
  headers['content-type'] = type;
  headers['cache-control'] = cacheControl(caching?.join(', '));
  // A browser's cache serves whoever uses it; one principal's answer is not another's.
  headers['vary'] = [...vary, 'authorization', ...answered.vary].join(', ');
  headers['x-content-type-options'] = 'nosniff';
  if (ACTIVE_TYPE.test(essence(type))) {
    headers['content-security-policy'] = "sandbox; default-src 'none'";
    headers['content-disposition'] = 'attachment';
  }
  return headers;
}

/** No client resolves a reference to here. */
const NOWHERE = 'http://nowhere.invalid';
/** Of a URI's characters alone, with no scheme and no host: whether these are ours, only the client knows. */
const PLAIN_REFERENCE = /^(?!\/\/|[a-z][a-z0-9+.-]*:)[\x21-\x5b\x5d-\x7e]+$/i;
/** Dots, slashes and what is skipped: some clients decode before they resolve. */
const ENCODED_STEP = /^[^?#]*%(2e|2f|5c|[01][0-9a-f])/i;

/**
 * Whether a reference leads below the extension's own root, where a client may take its own key: whoever follows it elsewhere would show that
 * key to whatever the extension points at.
 */
function isBelow(reference: string, { path, roots }: Answered): boolean {
  if (!PLAIN_REFERENCE.test(reference) || ENCODED_STEP.test(reference)) return false;
  const resolved = URL.parse(reference, `${NOWHERE}${path}`);
  if (resolved?.origin !== NOWHERE) return false;
  return roots.some((root) => resolved.pathname === root || resolved.pathname.startsWith(`${root}/`));
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
