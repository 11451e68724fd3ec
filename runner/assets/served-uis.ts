import type { UiInstall } from '../../core/api/internal.ts';
import type { GatewayClient } from '../gateway-client.ts';
import { createAllowance } from './allowance.ts';

/** How long an answer of the gateway holds: withdrawn UIs go soon, new ones come sooner. */
const KNOWN_MS = 10_000;
const UNKNOWN_MS = 2_000;
/** After a question that failed, its UI is not asked about for as long. */
const AWAY_MS = 1_000;
const MAX_KNOWN = 10_000;
const MAX_UNKNOWN = 1_000;

/** 404: none is served there. 429: this network asked for too much that there is not. 503: all together did, or the gateway is away. */
export type Refusal = 404 | 429 | 503;

export interface FindUi {
  /** Throws GATEWAY_UNAVAILABLE. `network` is where the request comes from. */
  (extensionId: string, contentHash: string, network: string): Promise<UiInstall | Refusal>;
  /** What it would answer without asking; undefined if it would have to. Counts as a use. */
  known(extensionId: string, contentHash: string): UiInstall | Refusal | undefined;
}

export interface ServedUisDeps {
  gateway: Pick<GatewayClient, 'uiInstall'>;
  now: () => number;
}

/**
 * Which UIs are served, asked of the gateway and remembered. Anybody may ask for anything: what is not there is remembered apart from
 * what is, and only so many questions about it reach the gateway.
 */
export function createServedUis({ gateway, now }: ServedUisDeps): FindUi {
  const known = new Map<string, { answer: UiInstall | 503; until: number }>(); // in the order of use
  const unknown = new Map<string, number>(); // until when, in the order of asking
  const open = new Map<string, Promise<UiInstall | undefined>>();
  const allowance = createAllowance(now);

  async function ask(key: string, extensionId: string, contentHash: string): Promise<UiInstall | undefined> {
    let ui: UiInstall | undefined;
    try {
      ui = await gateway.uiInstall(extensionId, contentHash);
    } catch (err) {
      // What was there once stays known, so that no stranger stands before it when the gateway is back.
      if (known.has(key)) remember(known, key, { answer: 503, until: now() + AWAY_MS }, MAX_KNOWN);
      throw err;
    }
    if (ui === undefined) {
      known.delete(key);
      remember(unknown, key, now() + UNKNOWN_MS, MAX_UNKNOWN);
    } else remember(known, key, { answer: ui, until: now() + KNOWN_MS }, MAX_KNOWN);
    return ui;
  }

  const recall = (extensionId: string, contentHash: string): UiInstall | Refusal | undefined => {
    const key = `${extensionId} ${contentHash}`;
    const kept = known.get(key);
    if (kept !== undefined && kept.until > now()) {
      remember(known, key, kept, MAX_KNOWN);
      return kept.answer;
    }
    return (unknown.get(key) ?? 0) > now() ? 404 : undefined;
  };

  const find = async (
    extensionId: string,
    contentHash: string,
    network: string,
  ): Promise<UiInstall | Refusal> => {
    const recalled = recall(extensionId, contentHash);
    if (recalled !== undefined) return recalled;
    const key = `${extensionId} ${contentHash}`;
    // Callers share the question while it is open.
    const asked = open.get(key);
    if (asked !== undefined) return (await asked) ?? 404;
    const question = () => ask(key, extensionId, contentHash);
    const answer = !known.has(key) ? allowance.spend(network, question) : question();
    if (typeof answer === 'number') return answer;
    const shared = answer.finally(() => open.delete(key));
    open.set(key, shared);
    return (await shared) ?? 404;
  };
  return Object.assign(find, { known: recall });
}

/** As the newest; the oldest goes when there are too many. */
function remember<Value>(kept: Map<string, Value>, key: string, value: Value, max: number): void {
  kept.delete(key);
  kept.set(key, value);
  const [oldest] = kept.keys();
  if (kept.size > max && oldest !== undefined) kept.delete(oldest);
}
