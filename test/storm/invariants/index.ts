import type { Evidence } from '../evidence.ts';
import * as calls from './calls.ts';
import type { Checked, Invariant } from './invariant.ts';
import * as leftovers from './leftovers.ts';
import * as lives from './lives.ts';
import * as settings from './settings.ts';
import * as work from './work.ts';

const INVARIANTS: readonly Invariant[] = [calls, settings, work, lives, leftovers].flatMap((group) =>
  Object.values<Invariant>(group),
);

export interface Finding extends Checked {
  name: string;
}

export function checkAll(evidence: Evidence): Finding[] {
  return INVARIANTS.map(({ name, check }) => ({ name, ...check(evidence) }));
}
