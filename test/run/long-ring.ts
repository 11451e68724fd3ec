/** A part of the long ring: `npm run test:long -- storm` runs it by its name. */
export interface LongPart {
  name: string;
  /** Why the gate goes without it. */
  reason: string;
  /** Test files of the long ring alone. */
  only: readonly string[];
  /** Test files of both rings, which try all that they can in this one (test/support/ring.ts). */
  whole: readonly string[];
}

/** What `npm run test:long` runs, in this order. Everything that is not under `only` here is in the gate. */
export const LONG_RING: readonly LongPart[] = [
  {
    name: 'wasm-suite',
    reason:
      'compiles wasm-tools for ten minutes and fetches the suite; in the gate core/wasm has what the rewriter must keep, one case each',
    only: ['test/integration/rewriter-suite.test.ts', 'test/integration/rewriter-fuzz.test.ts'],
    whole: [],
  },
  {
    name: 'rust',
    reason:
      'compiles the guests in Rust and the standard library; the gate has their bytes, and sees that these are of the sources beside them',
    only: ['test/integration/rust-guests.test.ts'],
    whole: [],
  },
  {
    name: 's3',
    reason: 'compiles VersityGW; in the gate the same conformance suite meets the folder',
    only: ['test/integration/s3-object-store.test.ts'],
    whole: [],
  },
  {
    name: 'escape',
    reason:
      'minutes: every guest and every taken-over sandbox at each level of isolation; the gate has one of each kind behind the strongest',
    only: [],
    whole: ['test/integration/escape.test.ts', 'test/integration/sandbox.test.ts'],
  },
  {
    name: 'rewind',
    reason: 'minutes: draws and sequences at soak length, in guests of both engines',
    only: [],
    whole: ['test/integration/randomness.test.ts', 'test/integration/rewind-sequences.test.ts'],
  },
  {
    name: 'memory',
    reason: 'minutes, and a machine whose memory is not taken by others',
    only: ['test/integration/runner-memory.test.ts'],
    whole: [],
  },
  {
    name: 'how-to',
    reason:
      'minutes: each guide is followed in a checkout of its own, with lint and types; the gate follows a short guide',
    only: ['test/integration/how-to-guides.test.ts'],
    whole: [],
  },
  {
    name: 'releases',
    reason:
      'minutes: releases beside each other, as processes; in the gate api-runner-releases has what each says',
    only: ['test/integration/runner-releases.test.ts'],
    whole: [],
  },
  {
    name: 'platforms',
    reason:
      'each starts a platform with settings or extensions of its own, for minutes; the gate has them as integration tests of gateway, runner and starter, and begins by a first start of the whole',
    only: [
      'test/e2e/drain.test.ts',
      'test/e2e/guests.test.ts',
      'test/e2e/hostile.test.ts',
      'test/e2e/sandbox-scope.test.ts',
      'test/e2e/shared-instances.test.ts',
      'test/e2e/starter.test.ts',
    ],
    whole: [],
  },
  {
    name: 'key-rotation',
    reason: 'minutes; in the gate publish-activities and worker-publish sign anew what a previous key signed',
    only: ['test/e2e/key-rotation.test.ts'],
    whole: [],
  },
  {
    name: 'state-machine',
    reason: 'minutes of random requests; in the gate install-steps breaks each step of an install in turn',
    only: ['test/e2e/install-model.test.ts'],
    whole: [],
  },
  {
    name: 'storm',
    reason: 'minutes of kills and freezes; in the gate crashes kills a worker in the middle',
    only: ['test/e2e/storm.test.ts'],
    whole: [],
  },
];
