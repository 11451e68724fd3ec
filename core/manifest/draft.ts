const TAKEN = Symbol('taken out');

/** What must stand at the top of a manifest, so that the rest can be read where it is wrong. Nobody is told these. */
const STAND_INS: Readonly<Record<string, unknown>> = {
  name: 'x',
  publisher: 'x',
  version: '0.0.0',
  runtime: 'wasm-js@1',
};

type Place = readonly PropertyKey[];

/** A manifest from which parts are taken out. */
export interface Draft {
  /** What is left, and where something in it stands in the whole. */
  rest(): { value: unknown; placeOf: (at: Place) => Place };
  /** Takes out what stands at a place, or around it if that is gone already. False if nothing is left to take. */
  take(at: Place): boolean;
  /** Whether a place is in a part that is out. */
  wasTaken(at: Place): boolean;
  /** Whether something was taken out at a place or below it. */
  isTouched(at: Place): boolean;
}

export function createDraft(whole: unknown): Draft {
  const draft: unknown = structuredClone(whole);
  const taken = new Set<string>();
  const touched = new Set<string>();
  const keyOf = (at: Place): string => JSON.stringify(at);

  return {
    rest() {
      const indexes = new WeakMap<object, number[]>();
      const value = withoutTaken(draft, indexes);
      return { value, placeOf: (at) => placeIn(value, at, indexes) };
    },
    take(at) {
      for (let depth = at.length; depth > 0; depth -= 1) {
        const place = at.slice(0, depth);
        if (taken.has(keyOf(place))) continue;
        const isThere = remove(draft, place);
        taken.add(keyOf(place));
        for (let above = 0; above <= depth; above += 1) touched.add(keyOf(at.slice(0, above)));
        if (isThere) return true;
      }
      return false;
    },
    wasTaken: (at) => at.some((_key, index) => taken.has(keyOf(at.slice(0, index + 1)))),
    isTouched: (at) => touched.has(keyOf(at)),
  };
}

/** False if there was nothing. What must be there is replaced. */
function remove(whole: unknown, place: Place): boolean {
  const key = place[place.length - 1];
  const parent = at(whole, place.slice(0, -1));
  if (key === undefined || typeof parent !== 'object' || parent === null) return false;
  const standIn = place.length === 1 ? STAND_INS[String(key)] : undefined;
  if (standIn === undefined && !Object.hasOwn(parent, key)) return false;
  Reflect.set(parent, key, standIn ?? TAKEN);
  return true;
}

function at(value: unknown, place: Place): unknown {
  return place.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  );
}

function withoutTaken(value: unknown, indexes: WeakMap<object, number[]>): unknown {
  if (Array.isArray(value)) {
    const kept = value.flatMap((item: unknown, index) => (item === TAKEN ? [] : [index]));
    const rest = kept.map((index) => withoutTaken(value[index], indexes));
    indexes.set(rest, kept);
    return rest;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) =>
      item === TAKEN ? [] : [[key, withoutTaken(item, indexes)]],
    ),
  );
}

function placeIn(value: unknown, path: Place, indexes: WeakMap<object, number[]>): Place {
  let inner = value;
  return path.map((key) => {
    const kept = typeof inner === 'object' && inner !== null ? indexes.get(inner) : undefined;
    inner = at(inner, [key]);
    return typeof key === 'number' ? (kept?.[key] ?? key) : key;
  });
}
