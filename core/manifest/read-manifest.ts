import type { Issue } from '../errors.ts';
import { faultsOf, jsonPath, type Fault } from '../issues.ts';
import { crossCheck } from './cross-checks.ts';
import { describeFault, SHORTEST_MANIFEST } from './describe-fault.ts';
import { createDraft, type Draft } from './draft.ts';
import { manifestSchema, type Manifest } from './schema.ts';

/** Larger than any honest manifest, small enough for a row and for a page. */
export const MAX_MANIFEST_BYTES = 256 * 1024;
/** Of lists and objects in each other: ours have at most eight. */
const MAX_DEPTH = 64;
/** Nested deeper than any manifest: each round takes a fault away with what is around it. */
const MAX_ROUNDS = 12;
/** More are found in no honest manifest, and are as bad as these. */
const MAX_FAULTS = 200;

export interface ManifestReading {
  /** Every fault, each with its JSON path, what may stand there, what does, and what to write. */
  issues: Issue[];
  /** What the manifest says where it has no fault; absent if it is no JSON object. */
  manifest?: Manifest;
}

/** What stands elsewhere in a manifest, and cannot be missed where something was taken away for a fault of its own. */
const REFERS_TO: Readonly<Record<string, string>> = {
  unknown_property: 'settings',
  unknown_secret: 'secrets',
  unknown_endpoint: 'api',
};

/**
 * Reads a manifest to its end. A schema stops looking where something is wrong: a faulty part is taken out and the rest read again, so
 * that one reading tells all there is.
 */
export function readManifest(source: string | Uint8Array): ManifestReading {
  const text = parseJson(source);
  if ('issue' in text) return { issues: [text.issue] };
  const draft = createDraft(text.value);
  const faults: Fault[] = [];
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const { value, placeOf } = draft.rest();
    const parsed = manifestSchema.safeParse(value, { reportInput: true });
    const found: Fault[] = parsed.success
      ? crossCheck(parsed.data).map(({ path, ...fault }) => ({ ...fault, at: segmentsOf(path) }))
      : faultsOf(parsed.error);
    const placed = found.slice(0, MAX_FAULTS).map((fault) => ({ ...fault, at: placeOf(fault.at) }));
    faults.push(...placed.filter((fault) => isNew(fault, draft)));
    if (parsed.success) return { issues: told(faults, text.value), manifest: parsed.data };
    if (faults.length > MAX_FAULTS || !placed.every(({ at }) => draft.take(at))) break;
  }
  return { issues: told(faults, text.value) };
}

function told(faults: readonly Fault[], value: unknown): Issue[] {
  return faults.map((fault) => ({ path: jsonPath(fault.at), ...describeFault(fault, value) }));
}

/** What is missing because it was taken out is no fault of its author's. */
function isNew({ at, code }: Fault, draft: Draft): boolean {
  const section = REFERS_TO[code];
  const lacks =
    section === undefined ? code === 'too_small' && draft.isTouched(at) : draft.isTouched([section]);
  return !draft.wasTaken(at) && !lacks;
}

/** Of paths that our own checks write, whose names have neither dots nor brackets. */
function segmentsOf(path: string): PropertyKey[] {
  return (path.match(/[^.[\]]+/g) ?? []).map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}

function parseJson(source: string | Uint8Array): { value: unknown } | { issue: Issue } {
  if (source.length > MAX_MANIFEST_BYTES) {
    return invalidText(`has more than ${MAX_MANIFEST_BYTES} bytes; shorten it`, `${source.length} bytes`);
  }
  try {
    const text =
      typeof source === 'string' ? source : new TextDecoder('utf-8', { fatal: true }).decode(source);
    const depth = depthOf(text);
    if (depth > MAX_DEPTH) {
      return invalidText(`is nested more than ${MAX_DEPTH} deep; flatten it`, `${depth} levels`);
    }
    return { value: JSON.parse(text) as unknown };
  } catch (err) {
    const why = err instanceof Error ? err.message : String(err);
    return invalidText(`is not JSON in UTF-8: ${why}`, 'other text or bytes');
  }
}

/** Whoever walks a value walks as deep as it is nested, and a stack has an end. */
function depthOf(text: string): number {
  let depth = 0;
  let most = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[{\]}]/gs)) {
    if (token === '[' || token === '{') most = Math.max(most, (depth += 1));
    else if (token === ']' || token === '}') depth -= 1;
  }
  return most;
}

function invalidText(message: string, found: string): { issue: Issue } {
  const expected = 'a JSON object in UTF-8';
  return { issue: { path: '', code: 'invalid_json', message, expected, found, fix: SHORTEST_MANIFEST } };
}
