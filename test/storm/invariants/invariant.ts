import type { Evidence } from '../evidence.ts';

/** What was found against an invariant: the request and its answer, and what is there. */
export interface Violation {
  what: string;
  evidence: unknown;
}

export interface Invariant {
  /** As a sentence. */
  name: string;
  check: (evidence: Evidence) => Checked;
}

export interface Checked {
  /** How many things were looked at: an invariant that met none says nothing. */
  count: number;
  violations: Violation[];
}

/** Looks at each of `things`; undefined is no fault. */
export function each<Thing>(things: readonly Thing[], fault: (thing: Thing) => string | undefined): Checked {
  const violations = things.flatMap((thing) => {
    const what = fault(thing);
    return what === undefined ? [] : [{ what, evidence: thing }];
  });
  return { count: things.length, violations };
}

export function together(...parts: readonly Checked[]): Checked {
  return {
    count: parts.reduce((sum, { count }) => sum + count, 0),
    violations: parts.flatMap(({ violations }) => violations),
  };
}
