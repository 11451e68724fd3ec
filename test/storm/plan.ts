import { createRandom } from './random.ts';

/** Whom a disturbance meets: a process of the platform by its name, or one of the children that two of them have. */
export const TARGETS = [
  'gateway',
  'lifecycle-worker',
  'precompile-worker',
  'runner',
  'sandbox',
  'sandbox-on-trial',
  'spare-sandbox',
  'precompile-child',
  'postgres',
  'temporal',
] as const;
export type Target = (typeof TARGETS)[number];

export interface Disturbance {
  /** Milliseconds after its round begins. */
  atMs: number;
  target: Target;
  /** Absent: SIGKILL. Else SIGSTOP, and SIGCONT this much later. */
  freezeMs?: number;
  /** Which of several, between 0 and 1. */
  which: number;
}

/** How often each is met, in comparison. */
const WEIGHTS: Record<Target, number> = {
  gateway: 3,
  'lifecycle-worker': 4,
  'precompile-worker': 2,
  runner: 3,
  sandbox: 3,
  'sandbox-on-trial': 2,
  'spare-sandbox': 2,
  'precompile-child': 2,
  postgres: 2,
  temporal: 2,
};
const DRAWN = TARGETS.flatMap((target) => Array<Target>(WEIGHTS[target]).fill(target)) as [
  Target,
  ...Target[],
];

/** Short ones meet time-outs from below, long ones from above: every doubling of the length is as likely. */
const FREEZE_MS = { min: 200, max: 12_000 };
/** Disturbances of a round may overlap, and meet the same process twice. */
const ROUND = { ms: 5_000, most: 6 };
/** After a round, once the platform has done work again. */
const PAUSE_MS = 2_000;

export interface Round {
  disturbances: Disturbance[];
  pauseMs: number;
}

/** Rounds without end, as they follow from the seed. */
export function* planRounds(seed: string): Generator<Round, never> {
  const random = createRandom(`${seed}/disturbances`);
  for (;;) {
    const count = Math.round(random.between(0.5, ROUND.most + 0.5));
    const disturbances = Array.from({ length: count }, (): Disturbance => {
      const [atMs, which] = [random.between(0, ROUND.ms), random.between(0, 1)];
      const target = random.pick(DRAWN);
      const { min, max } = FREEZE_MS;
      const freezeMs = random.chance(0.45) ? min * (max / min) ** random.between(0, 1) : undefined;
      return { atMs, target, which, ...(freezeMs !== undefined && { freezeMs: Math.round(freezeMs) }) };
    });
    yield { disturbances, pauseMs: random.between(0, PAUSE_MS) };
  }
}
