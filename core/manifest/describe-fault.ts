import type { Fault } from '../issues.ts';
import { completeManifestExample } from './example.ts';

const MAX_FOUND = 80;
/** What stands for all of a manifest. */
export const SHORTEST_MANIFEST =
  '{ "name": "hello", "publisher": "Example Software", "version": "1.0.0", "runtime": "wasm-js@1" }';

/** A fault with what its author needs: what may stand there, what does, and what to write. */
export function describeFault({ at, ...fault }: Fault, whole: unknown): Omit<Fault, 'at'> {
  const found = valueAt(whole, at);
  return {
    ...fault,
    expected: fault.expected ?? ruleIn(fault.message),
    found: found === undefined ? 'nothing' : shown(found),
    fix: fault.fix ?? fixOf(fault.code, at),
  };
}

/** Our rules are written as what a value must be. */
function ruleIn(message: string): string {
  return message.replace(/^must (be )?/, '').replace(/^Invalid \w+: /, '');
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > MAX_FOUND ? `${text.slice(0, MAX_FOUND)}…` : text;
}

function fixOf(code: string, at: readonly PropertyKey[]): string {
  if (code === 'unrecognized_keys') {
    const key = String(at[at.length - 1]);
    const meant = nearest(key, Object.keys(asObject(exampleAt(at.slice(0, -1)))));
    return meant === undefined
      ? `remove ${JSON.stringify(key)}`
      : `write ${JSON.stringify(meant)} instead of ${JSON.stringify(key)}, or remove it`;
  }
  if (code === 'duplicate') return 'remove one of the two';
  return lineFor(at);
}

/** A line that may stand there: of the manifest that has every field, and so as right as that is. */
function lineFor(at: readonly PropertyKey[]): string {
  for (let depth = at.length; depth > 0; depth -= 1) {
    const place = at.slice(0, depth);
    const example = exampleAt(place);
    if (example === undefined) continue;
    const key = place[place.length - 1];
    return typeof key === 'number'
      ? JSON.stringify(example)
      : `${JSON.stringify(key)}: ${JSON.stringify(example)}`;
  }
  return SHORTEST_MANIFEST;
}

/** What the example has at a place, in any element of a list or of settings' properties. */
function exampleAt(at: readonly PropertyKey[]): unknown {
  const [first, second] = at;
  const rest = at.slice(first === 'settings' && second === 'properties' && at.length > 2 ? 3 : 0);
  const starts: unknown[] =
    rest.length === at.length
      ? [completeManifestExample]
      : Object.values(completeManifestExample.settings?.properties ?? {});
  return starts.map((start) => search(start, rest)).find((value) => value !== undefined);
}

function search(value: unknown, at: readonly PropertyKey[]): unknown {
  const [key, ...rest] = at;
  if (key === undefined) return value;
  if (Array.isArray(value)) {
    return value.map((item: unknown) => search(item, rest)).find((found) => found !== undefined);
  }
  return Object.hasOwn(asObject(value), key) ? search(Reflect.get(asObject(value), key), rest) : undefined;
}

function valueAt(value: unknown, at: readonly PropertyKey[]): unknown {
  return at.reduce<unknown>(
    (inner, key) => (Object.hasOwn(asObject(inner), key) ? Reflect.get(asObject(inner), key) : undefined),
    value,
  );
}

function asObject(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}

/** The known key that differs by at most a third of its letters. */
function nearest(key: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((name) => ({ name, distance: distanceOf(key.toLowerCase().slice(0, 64), name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.floor(name.length / 3))
    .toSorted((a, b) => a.distance - b.distance);
  return best?.name;
}

/** Levenshtein's. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_none, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swapped = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
