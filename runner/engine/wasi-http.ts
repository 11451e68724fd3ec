import { InputStream, OutputStream, Pollable, UnheldResource, witError } from './wasi-streams.ts';

// Enough of wasi:http for a guest to build a request, and to learn from `handle` that it may not be sent.

type Entry = [name: string, value: Uint8Array];

/** What one resource may hold of the guest's, which does not count as its memory: no more than servers take. */
const MAX_BYTES = 16 * 1024;
const ENTRY_BYTES = 64;

function checkSize(bytes: number): void {
  if (bytes > MAX_BYTES) throw new WebAssembly.RuntimeError('a request is larger than any that is sent');
}

/** Of a part of a request: a text, or a case that has one. */
function checkText(part: unknown): void {
  checkSize(JSON.stringify(part ?? null).length);
}

class Fields {
  #entries: Entry[] = [];
  #bytes = 0;

  get mostBytes(): number {
    return MAX_BYTES;
  }

  static fromList(entries: readonly Entry[]): Fields {
    const fields = new Fields();
    for (const [name, value] of entries) fields.append(name, value);
    return fields;
  }

  get(name: string): Uint8Array[] {
    return this.#entries.filter(([key]) => sameName(key, name)).map(([, value]) => value);
  }

  has(name: string): boolean {
    return this.#entries.some(([key]) => sameName(key, name));
  }

  set(name: string, values: readonly Uint8Array[]): void {
    this.delete(name);
    for (const value of values) this.append(name, value);
  }

  append(name: string, value: Uint8Array): void {
    this.#bytes += ENTRY_BYTES + name.length + value.byteLength;
    checkSize(this.#bytes);
    this.#entries.push([name, value]);
  }

  delete(name: string): void {
    const rest = this.#entries.filter(([key]) => !sameName(key, name));
    this.#entries = [];
    this.#bytes = 0;
    for (const [key, value] of rest) this.append(key, value);
  }

  entries(): Entry[] {
    return this.#entries;
  }

  clone(): Fields {
    return Fields.fromList(this.#entries);
  }
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

class OutgoingBody {
  write(): OutputStream {
    return new OutputStream(() => {
      // The request it belongs to is never sent.
    });
  }

  static finish(): void {
    // The request it belongs to is never sent.
  }
}

class OutgoingRequest {
  readonly #headers: Fields;
  #method: unknown = { tag: 'get' };
  #scheme: unknown;
  #authority: string | undefined;
  #path: string | undefined;

  constructor(headers: Fields) {
    this.#headers = headers;
  }

  /** Its headers, method, scheme, authority and path. */
  get mostBytes(): number {
    return 5 * MAX_BYTES;
  }

  body(): OutgoingBody {
    return new OutgoingBody();
  }

  headers(): Fields {
    return this.#headers;
  }

  method(): unknown {
    return this.#method;
  }

  setMethod(method: unknown): void {
    checkText(method);
    this.#method = method;
  }

  scheme(): unknown {
    return this.#scheme;
  }

  setScheme(scheme: unknown): void {
    checkText(scheme);
    this.#scheme = scheme;
  }

  authority(): string | undefined {
    return this.#authority;
  }

  setAuthority(authority: string | undefined): void {
    checkText(authority);
    this.#authority = authority;
  }

  pathWithQuery(): string | undefined {
    return this.#path;
  }

  setPathWithQuery(path: string | undefined): void {
    checkText(path);
    this.#path = path;
  }
}

class RequestOptions {
  connectTimeout(): undefined {
    return undefined;
  }

  firstByteTimeout(): undefined {
    return undefined;
  }

  betweenBytesTimeout(): undefined {
    return undefined;
  }

  setConnectTimeout(): void {
    // Accepted: no request is sent that could run into it.
  }

  setFirstByteTimeout(): void {
    // Accepted: no request is sent that could run into it.
  }

  setBetweenBytesTimeout(): void {
    // Accepted: no request is sent that could run into it.
  }
}

class FutureIncomingResponse extends UnheldResource {}
class FutureTrailers extends UnheldResource {}
class IncomingBody extends UnheldResource {}
class IncomingRequest extends UnheldResource {}
class IncomingResponse extends UnheldResource {}
class OutgoingResponse extends UnheldResource {}
class ResponseOutparam extends UnheldResource {}

export const wasiHttp = {
  'wasi:http/outgoing-handler': {
    handle: (): never => {
      throw witError({ tag: 'HTTP-request-denied' });
    },
  },
  'wasi:http/types': {
    Fields,
    FutureIncomingResponse,
    FutureTrailers,
    IncomingBody,
    IncomingRequest,
    IncomingResponse,
    InputStream,
    OutgoingBody,
    OutgoingRequest,
    OutgoingResponse,
    OutputStream,
    Pollable,
    RequestOptions,
    ResponseOutparam,
    httpErrorCode: (): undefined => undefined,
  },
};
