import { PlatformError } from '../../core/errors.ts';

export interface Header {
  name: string;
  value: string;
}

export interface EgressRequest {
  method: string;
  url: string;
  headers: readonly Header[];
  body?: Uint8Array | undefined;
}

/** A request that may be sent, once its URL is checked. Header names are in lower case. */
export interface Message {
  method: string;
  headers: readonly Header[];
  body: Uint8Array | undefined;
}

const MAX_URL_CHARACTERS = 8 * 1024;
const MAX_HEADERS = 100;
const MAX_HEADER_BYTES = 32 * 1024;

const METHOD = /^[A-Z][A-Z-]{0,31}$/;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;
// Bytes of a header: no control character but tab, and none that takes more than one.
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
// eslint-disable-next-line no-control-regex -- control characters are what it finds
const UNSAFE_IN_URL = /[\x00-\x20\x7f]/;

/** They open tunnels, or have a server repeat what only it should read. */
const REFUSED_METHODS = ['CONNECT', 'TRACE', 'TRACK'];

/** What frames a message, or speaks of the connection: we alone say it. */
const OURS = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Of a request that is led to another origin; what else it has may be a key. */
const KEPT_ACROSS_ORIGINS = new Set([
  'accept',
  'accept-language',
  'content-language',
  'content-type',
  'range',
  'user-agent',
]);
const OF_BODY = new Set(['content-encoding', 'content-language', 'content-location', 'content-type']);

const invalid = (message: string): PlatformError => new PlatformError('EGRESS_INVALID', message);

/** Throws EGRESS_INVALID for what no request may hold. Headers that are ours to say are left out. */
export function checkMessage({ method: given, headers, body }: EgressRequest): Message {
  const method = given.toUpperCase();
  if (!METHOD.test(method)) throw invalid('its method is none');
  if (REFUSED_METHODS.includes(method)) throw invalid(`its method is ${method}`);
  if (headers.length > MAX_HEADERS) throw invalid(`it has more than ${MAX_HEADERS} headers`);
  let bytes = 0;
  for (const { name, value } of headers) {
    if (!NAME.test(name)) throw invalid('the name of a header is none');
    if (!VALUE.test(value)) throw invalid(`the value of its header ${name} is none`);
    bytes += name.length + value.length;
  }
  if (bytes > MAX_HEADER_BYTES) throw invalid(`its headers are larger than ${MAX_HEADER_BYTES} bytes`);
  return { method, headers: withoutOurs(headers), body: body?.byteLength === 0 ? undefined : body };
}

function withoutOurs(headers: readonly Header[]): Header[] {
  const lower = headers.map(({ name, value }) => ({ name: name.toLowerCase(), value: value.trim() }));
  const ofConnection = lower
    .filter(({ name }) => name === 'connection')
    .flatMap(({ value }) => value.toLowerCase().split(','))
    .map((name) => name.trim());
  return lower.filter(
    ({ name }) => !OURS.has(name) && !name.startsWith('proxy-') && !ofConnection.includes(name),
  );
}

/** Throws EGRESS_INVALID; its message never quotes the text, which may hold a key. */
export function parseUrl(text: string, base?: URL): URL {
  if (text.length > MAX_URL_CHARACTERS)
    throw invalid(`its URL is longer than ${MAX_URL_CHARACTERS} characters`);
  if (UNSAFE_IN_URL.test(text)) throw invalid('its URL has a space or a control character');
  const url = URL.parse(text, base);
  if (!url) throw invalid('its URL is none');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw invalid('its scheme is not http or https');
  if (url.username !== '' || url.password !== '') throw invalid('its URL has a name or a password');
  if (url.hostname.endsWith('.') || url.hostname.split('.').includes('')) {
    throw invalid('a part of its host is empty');
  }
  url.hash = '';
  return url;
}

/** What is sent to where a redirect leads, as the Fetch standard has it; across origins without whatever may be a key. */
export function redirected(message: Message, status: number, from: URL, to: URL): Message {
  const { method } = message;
  const becomesGet =
    status === 303 ? method !== 'GET' && method !== 'HEAD' : status <= 302 && method === 'POST';
  const isElsewhere = from.origin !== to.origin;
  const headers = message.headers.filter(
    ({ name }) => !(becomesGet && OF_BODY.has(name)) && (!isElsewhere || KEPT_ACROSS_ORIGINS.has(name)),
  );
  return becomesGet ? { method: 'GET', headers, body: undefined } : { ...message, headers };
}

/** Bytes of a message as HTTP/1.1 writes it. */
export function sizeOf({ method, headers, body }: Message, { host, pathname, search }: URL): number {
  const fields = [{ name: 'host', value: host }, ...headers];
  const head = fields.reduce((sum, { name, value }) => sum + name.length + value.length + 4, 0);
  return `${method} ${pathname}${search} HTTP/1.1\r\n\r\n`.length + head + (body?.byteLength ?? 0);
}
