import type { HeaderMap } from './execute.ts';

/** A call's place in a trace (W3C Trace Context). */
export interface TraceContext {
  /** 32 hex digits. */
  traceId: string;
  /** What the next one is told. */
  headers: { traceparent: string; tracestate?: string };
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZEROS = /^0+$/;
const SAMPLED = 1;

/**
 * The trace that a request says it belongs to, or a new one where it says so wrongly or not at all: then the trace has the execution's id. The
 * id of the call in it is the end of the execution's.
 */
export function traceOf(
  { traceparent, tracestate }: Readonly<Record<string, string | string[] | undefined>>,
  executionId: string,
): TraceContext {
  const own = executionId.replaceAll('-', '');
  const parentId = own.slice(16);
  const sent = typeof traceparent === 'string' ? readTraceparent(traceparent) : undefined;
  if (!sent) return { traceId: own, headers: { traceparent: `00-${own}-${parentId}-00` } };
  const { traceId, flags } = sent;
  const state = typeof tracestate === 'string' && isTracestate(tracestate) ? { tracestate } : {};
  return { traceId, headers: { traceparent: `00-${traceId}-${parentId}-${flags}`, ...state } };
}

/** Of what `traceOf` wrote; undefined if it did not. */
export function traceIdOf({ traceparent }: HeaderMap): string | undefined {
  return typeof traceparent === 'string' ? readTraceparent(traceparent)?.traceId : undefined;
}

/** What a later version says besides is not known to us, and not passed on. */
function readTraceparent(text: string): { traceId: string; flags: string } | undefined {
  const [, version, traceId = '', parentId = '', flags = '', more] = TRACEPARENT.exec(text) ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (ZEROS.test(traceId) || ZEROS.test(parentId)) return undefined;
  return { traceId, flags: (parseInt(flags, 16) & SAMPLED) === 0 ? '00' : '01' };
}

const MAX_STATE = 512; // characters
const MAX_MEMBERS = 32;
const KEY = /^(?:[a-z0-9][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})$/;
const VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

function isTracestate(text: string): boolean {
  if (text.length > MAX_STATE) return false;
  const members = text
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '');
  const keys = members.map((member) => member.slice(0, Math.max(member.indexOf('='), 0)));
  return (
    members.length > 0 &&
    members.length <= MAX_MEMBERS &&
    new Set(keys).size === keys.length &&
    members.every(
      (member, at) => KEY.test(keys[at] ?? '') && VALUE.test(member.slice(member.indexOf('=') + 1)),
    )
  );
}
