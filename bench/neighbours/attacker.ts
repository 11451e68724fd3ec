import { ATTACKS } from './attacks.ts';
import type { Field } from './field.ts';

// Attacks from a process of its own, so that its work does not hold up the one that measures; it counts until it is told to stop.

export interface Order {
  attack: string;
  field: Field;
}

/** Outcomes, each with how often. */
export type Tally = Record<string, number>;

const stop = new AbortController();

async function attack({ attack: name, field }: Order): Promise<void> {
  const chosen = ATTACKS[name];
  if (!chosen) throw new Error(`no attack has the name ${name}`);
  const counts: Tally = {};
  const tally = (outcome: string): void => {
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  };
  const { signal } = stop;
  const loop = async (client: number): Promise<void> => {
    while (!signal.aborted) {
      await chosen.step({ field, client, signal, tally }).catch((err: unknown) => {
        tally(signal.aborted ? 'open at the end' : ((err as { code?: string }).code ?? String(err)));
      });
    }
  };
  await Promise.all(Array.from({ length: chosen.clients }, (_none, client) => loop(client)));
  process.send?.(counts, () => process.exit());
}

process.on('message', (message) => {
  if (message === 'stop') stop.abort();
  else void attack(message as Order);
});
