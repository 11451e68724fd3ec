import type { IncomingHttpHeaders } from 'node:http';
import Negotiator from 'negotiator';
import { MADE_CODINGS, type Coding } from './encodings.ts';

const CODINGS: readonly Coding[] = [...MADE_CODINGS, 'identity'];
const IDENTITY: readonly Coding[] = ['identity'];
/** Browsers send a handful of values; a stranger may send any. */
const REMEMBERED = 200;

type ByPreference = (available: readonly string[], options: { preferred: readonly string[] }) => Coding[];

const remembered = new Map<string, readonly Coding[]>();

/** The codings that an `Accept-Encoding` takes, best first: of those it likes equally the smallest. Without one, or if it takes none: `identity`. */
export function acceptedCodings(accept: string | undefined): readonly Coding[] {
  if (accept === undefined) return IDENTITY;
  const known = remembered.get(accept);
  if (known !== undefined) return known;
  const negotiator = new Negotiator({ headers: { 'accept-encoding': accept } });
  const encodings = negotiator.encodings.bind(negotiator) as ByPreference; // its types lack the options
  const accepted = encodings(CODINGS, { preferred: CODINGS });
  if (accepted.length === 0) return IDENTITY;
  if (remembered.size >= REMEMBERED) remembered.clear();
  remembered.set(accept, accepted);
  return accepted;
}

/** What a request makes of the file that it asks for (RFC 9110, 13 and 14); `whole` with all of it. */
export type Wish = 'whole' | 'not-modified' | 'failed' | 'unsatisfiable' | { start: number; end: number };

/** `end` is the last byte. Several ranges are answered with the whole, as is a range that cannot be read. */
export function wishOf(headers: IncomingHttpHeaders, { etag, size }: { etag: string; size: number }): Wish {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined && !names(ifMatch, etag, false)) return 'failed';
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined && names(ifNoneMatch, etag, true)) return 'not-modified';
  const { range } = headers;
  if (range === undefined) return 'whole';
  const ifRange = headers['if-range'];
  if (ifRange !== undefined && ifRange !== etag) return 'whole';
  return rangeOf(range, size);
}

/** Whether a list of entity tags names this one, which is strong: a weak one equals it only where `weakly` compared. */
function names(list: string, etag: string, weakly: boolean): boolean {
  if (list.trim() === '*') return true;
  return list.split(',').some((each) => {
    const tag = each.trim();
    return tag === etag || (weakly && tag === `W/${etag}`);
  });
}

function rangeOf(range: string, size: number): Wish {
  const [, first, last] = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(range) ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return 'whole';
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < start) return 'whole';
  return start >= size ? 'unsatisfiable' : { start, end };
}
