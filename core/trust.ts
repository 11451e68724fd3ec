/** Stands for every publisher in a key's scope. */
export const ANY_PUBLISHER = '*';

/** `retired`: signs nothing new. `revoked`: nothing that it ever signed is believed. */
export const TRUST_KEY_STATES = ['active', 'retired', 'revoked'] as const;
export type TrustKeyState = (typeof TRUST_KEY_STATES)[number];

/** One key whose signatures over bundles count, and for whom. */
export interface TrustKey {
  /** `sha256:<hex>` of the public key's SPKI DER. */
  keyId: string;
  /** Ed25519: base64 of its SPKI DER. */
  publicKey: string;
  /** For people. */
  name?: string | undefined;
  /** Slugs of the publishers it may sign for, or `*` for all. */
  publishers: readonly string[];
  /** RFC 3339; a signature counts if it came between them. */
  notBefore?: string | undefined;
  notAfter?: string | undefined;
  state: TrustKeyState;
  /** Why it was revoked. */
  reason?: string | undefined;
}

/** Keys as an operator writes them down, and how many different ones a bundle needs a signature of. */
export interface TrustBundle {
  threshold: number;
  keys: readonly TrustKey[];
}

/** What is believed: `optional` only where there are no keys to believe. */
export interface Trust extends TrustBundle {
  policy: 'required' | 'optional';
}

/** `publish`: a bundle that is new here. `serve`: one that was published before, when its signatures came. */
export type TrustUse = 'publish' | 'serve';

/** A signature that is good as cryptography goes, and since when the platform has it. */
export interface GoodSignature {
  keyId: string;
  /** RFC 3339 UTC. */
  receivedAt: string;
}

/** What became of a policy: which keys counted, or each reason why one did not. */
export interface Judgement {
  policy: Trust['policy'];
  trusted: boolean;
  /** Keys that count, each once. */
  keyIds: string[];
  /** Why the others do not, for people. */
  faults: string[];
}

const STRICTNESS = { active: 0, retired: 1, revoked: 2 } as const satisfies Record<TrustKeyState, number>;

/**
 * All that is configured, as one. A key that several name may sign for whom all of them say, while all of them say so, and is what the
 * strictest says; the highest threshold holds.
 */
export function mergeTrust(bundles: readonly (TrustBundle | undefined)[]): Trust {
  const configured = bundles.filter((bundle) => bundle !== undefined);
  const keys = new Map<string, TrustKey>();
  for (const key of configured.flatMap((bundle) => bundle.keys)) {
    const other = keys.get(key.keyId);
    keys.set(key.keyId, other ? strictest(other, key) : key);
  }
  return {
    policy: configured.length > 0 ? 'required' : 'optional',
    threshold: Math.max(1, ...configured.map(({ threshold }) => threshold)),
    keys: [...keys.values()],
  };
}

function strictest(a: TrustKey, b: TrustKey): TrustKey {
  const [strict, other] = STRICTNESS[a.state] >= STRICTNESS[b.state] ? [a, b] : [b, a];
  const publishers = a.publishers.includes(ANY_PUBLISHER)
    ? b.publishers
    : b.publishers.includes(ANY_PUBLISHER)
      ? a.publishers
      : a.publishers.filter((slug) => b.publishers.includes(slug));
  const notBefore = [a.notBefore, b.notBefore]
    .filter((time) => time !== undefined)
    .sort(inTime)
    .at(-1);
  const notAfter = [a.notAfter, b.notAfter]
    .filter((time) => time !== undefined)
    .sort(inTime)
    .at(0);
  return {
    ...other,
    ...strict,
    publishers,
    ...(notBefore !== undefined && { notBefore }),
    ...(notAfter !== undefined && { notAfter }),
  };
}

function inTime(a: string, b: string): number {
  return Date.parse(a) - Date.parse(b);
}

/**
 * Whether the signatures of a publisher's bundle are enough. A key's dates are held against when the signature came, so that none of what
 * is installed stops when a certificate ends; a key that is revoked counts for nothing, whenever it signed.
 */
export function judgeSignatures(
  trust: Trust,
  publisher: string,
  signatures: readonly GoodSignature[],
  use: TrustUse,
): Judgement {
  const keyIds = new Set<string>();
  const faults = new Set<string>();
  for (const signature of signatures) {
    const fault = faultOf(trust, publisher, signature, use);
    if (fault === undefined) keyIds.add(signature.keyId);
    else faults.add(`the key ${signature.keyId} ${fault}`);
  }
  const trusted = trust.policy === 'optional' || keyIds.size >= trust.threshold;
  return { policy: trust.policy, trusted, keyIds: [...keyIds], faults: [...faults] };
}

/** The key if it may sign for the publisher at all; whether it counts now is another question. */
export function maySignFor({ publishers }: TrustKey, publisher: string): boolean {
  return publishers.includes(ANY_PUBLISHER) || publishers.includes(publisher);
}

function faultOf(
  { keys }: Trust,
  publisher: string,
  { keyId, receivedAt }: GoodSignature,
  use: TrustUse,
): string | undefined {
  const key = keys.find((one) => one.keyId === keyId);
  if (!key) return 'is not trusted here';
  const { state, notBefore, notAfter, reason } = key;
  if (state === 'revoked') return `was revoked${reason === undefined ? '' : ` (${reason})`}`;
  if (state === 'retired' && use === 'publish') return 'is retired and signs nothing new';
  if (!maySignFor(key, publisher)) return `may not sign for the publisher ${publisher}`;
  const at = Date.parse(receivedAt);
  // Negated, so that a time that cannot be read is never within them.
  if (notBefore !== undefined && !(at >= Date.parse(notBefore))) return `is valid from ${notBefore} on only`;
  if (notAfter !== undefined && !(at <= Date.parse(notAfter))) return `was valid until ${notAfter}`;
  if (Number.isNaN(at)) return 'signed at a time that is not known';
  return undefined;
}

/** What a person is told of signatures that are not enough. */
export function untrustedText({ threshold }: Trust, { keyIds, faults }: Judgement): string {
  const needed = threshold === 1 ? 'a signature by a key' : `signatures by ${threshold} keys`;
  const found =
    keyIds.length === 0
      ? 'there is none that counts'
      : `only ${keyIds.length} of them counts: ${keyIds.join(', ')}`;
  const why = faults.length === 0 ? '' : `; ${faults.slice(0, FAULTS_SHOWN).join('; ')}`;
  return `the bundle needs ${needed} that this platform trusts for its publisher, and ${found}${why}`;
}

const FAULTS_SHOWN = 10;
