import type { ApiKeyCredential, ApiKeyStore } from './api-keys.ts';
import type { HydratedInstall, HydrationStore } from './hydration.ts';
import type { Notifications } from './notifications.ts';

/** What is remembered serves for so long after everything committed until then was heard. */
const TRUSTED_MS = 700;
const MAX_INSTALLS = 10_000;
const MAX_INSTALL_BYTES = 64 * 1024 * 1024;
const MAX_KEYS = 10_000;

/** A fact, and the moment of `performance.now()` at which it was true. */
export interface Known<Fact> {
  fact: Fact;
  asOf: number;
}

/** What a call is authorised by. */
export interface CallFacts {
  /** The install that serves an extension (registry UUID or `publisher.name`) in a tenant, with its active version. */
  install(tenantId: string, ref: string): Promise<Known<HydratedInstall> | undefined>;
  apiKey(keyId: string): Promise<ApiKeyCredential | undefined>;
  /**
   * Until what it answers is called, and until what was committed by then is heard, facts of the tenant, or of every tenant, are looked
   * up: who was told that something is changed can rely on it, at this gateway.
   */
  changing(tenantId: string | undefined): () => void;
}

/**
 * Remembers facts for as long as it is known that they have not changed, and looks them up while it is not. What a call is authorised by
 * was so no longer than TRUSTED_MS ago.
 */
export function createCallFacts(
  {
    hydration,
    apiKeys,
  }: { hydration: Pick<HydrationStore, 'byExtension'>; apiKeys: Pick<ApiKeyStore, 'findByKeyId'> },
  notifications: Pick<Notifications, 'on' | 'heardUntil' | 'hurry'>,
  now: () => number = () => performance.now(),
): CallFacts {
  const installs = new Memory<HydratedInstall>(MAX_INSTALLS, MAX_INSTALL_BYTES);
  const keys = new Memory<ApiKeyCredential>(MAX_KEYS, Infinity);
  /** How many changes of a tenant, or of any, are under way here. */
  const underWay = new Map<string | undefined, number>();
  /** When the last one of a tenant, or of any, was over, if what it did may not be heard yet. */
  const overAt = new Map<string | undefined, number>();
  /** Grows with each change that is heard: what was looked up across one may be from before. */
  let generation = 0;

  notifications.on('call_change', (payload) => {
    generation += 1;
    const [kind, id] = payload?.split(' ') ?? [];
    if (kind === 'tenant') installs.forget((install) => install.tenantId === id);
    else if (kind === 'version') installs.forget((install) => install.versionId === id);
    else if (kind === 'key') keys.forget((key) => key.keyId === id);
    else for (const memory of [installs, keys]) memory.forget(() => true);
  });

  const isHeard = (tenantId: string | undefined, until: number): boolean => {
    if (underWay.has(tenantId)) return false;
    const over = overAt.get(tenantId);
    if (over === undefined) return true;
    if (until <= over) return false;
    overAt.delete(tenantId);
    return true;
  };

  async function know<Fact extends { tenantId: string }>(
    memory: Memory<Fact>,
    key: string,
    lookUp: () => Promise<Fact | undefined>,
  ): Promise<Known<Fact> | undefined> {
    const { heardUntil } = notifications;
    const begun = now();
    const isTrusted = begun - heardUntil <= TRUSTED_MS;
    const kept = isTrusted ? memory.get(key) : undefined;
    if (kept && isHeard(undefined, heardUntil) && isHeard(kept.fact.tenantId, heardUntil)) {
      return { fact: kept.fact, asOf: Math.max(heardUntil, kept.asOf) };
    }
    const before = generation;
    const fact = await lookUp();
    if (!fact) return undefined;
    const known = { fact, asOf: begun };
    if (isTrusted && before === generation) memory.set(key, known);
    return known;
  }

  return {
    install: (tenantId, ref) =>
      know(installs, `${tenantId} ${ref}`, () => hydration.byExtension(tenantId, ref)),
    apiKey: async (keyId) => (await know(keys, keyId, () => apiKeys.findByKeyId(keyId)))?.fact,
    changing(tenantId) {
      underWay.set(tenantId, (underWay.get(tenantId) ?? 0) + 1);
      return () => {
        const left = (underWay.get(tenantId) ?? 0) - 1;
        if (left > 0) underWay.set(tenantId, left);
        else underWay.delete(tenantId);
        for (const [id, at] of overAt) if (at < notifications.heardUntil) overAt.delete(id);
        overAt.set(tenantId, now());
        notifications.hurry();
      };
    },
  };
}

/** By key, bounded; what was used longest ago goes first. */
class Memory<Fact> {
  readonly #kept = new Map<string, Known<Fact> & { bytes: number }>();
  readonly #max: number;
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(max: number, maxBytes: number) {
    this.#max = max;
    this.#maxBytes = maxBytes;
  }

  get(key: string): Known<Fact> | undefined {
    const kept = this.#kept.get(key);
    if (!kept) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept;
  }

  set(key: string, known: Known<Fact>): void {
    this.#delete(key);
    const bytes = this.#maxBytes === Infinity ? 0 : JSON.stringify(known.fact).length;
    this.#kept.set(key, { ...known, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#max && this.#bytes <= this.#maxBytes) return;
      this.#delete(oldest);
    }
  }

  forget(of: (fact: Fact) => boolean): void {
    for (const [key, { fact }] of this.#kept) if (of(fact)) this.#delete(key);
  }

  #delete(key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0;
    this.#kept.delete(key);
  }
}
