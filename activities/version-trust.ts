import { PlatformError } from '../core/errors.ts';
import { untrustedText } from '../core/trust.ts';
import type { TrustState, TrustStore } from '../platform/db/trust.ts';
import type { JudgedVersion, VersionTrustStore } from '../platform/db/version-trust.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';
import { judgeEnvelopes } from '../platform/signatures/bundle-statement.ts';
import { readEnvelopes } from '../platform/signatures/stored-envelopes.ts';

export interface VersionTrustDeps {
  trust: Pick<TrustStore, 'adopted'>;
  versions: Pick<VersionTrustStore, 'find' | 'record'>;
  objects: Pick<ObjectStore, 'read'>;
  keys: Pick<ObjectKeys, 'signature'>;
}

export interface VersionTrust {
  /** Holds a version against what is trusted, and writes down what came of it. Answers what it became, if that is another status. */
  judge(
    version: JudgedVersion,
    state: TrustState,
    signal?: AbortSignal,
  ): Promise<'published' | 'quarantined' | undefined>;
  /** Throws SIGNATURE_REVOKED with what is wrong, unless the version is trusted as things are now. */
  check(versionId: string): Promise<void>;
}

const HOW_TO_LEAVE =
  'To leave quarantine, upgrade to a version that is signed by a trusted key; or its publisher adds a signature by such a key to this one, or an operator trusts a key that signed it';

export function createVersionTrust({
  trust: store,
  versions,
  objects,
  keys,
}: VersionTrustDeps): VersionTrust {
  const judge: VersionTrust['judge'] = async (version, { trust, revision }, signal) => {
    const { contentHash, publisher, signatures } = version;
    // Where nobody's signature is asked for, none has to be read.
    const stored = trust.policy === 'optional' ? [] : signatures;
    const envelopes = await readEnvelopes(objects, keys, contentHash, stored, signal);
    const judgement = judgeEnvelopes(trust, envelopes, { contentHash, publisher }, 'serve');
    const { trusted, policy, keyIds } = judgement;
    const message = `${untrustedText(trust, judgement)}. ${HOW_TO_LEAVE}`;
    const reason = trusted ? {} : { reason: { code: 'SIGNATURE_REVOKED', message } as const };
    const changed = await versions.record(version, { revision, policy, keyIds, ...reason });
    if (!changed) return undefined;
    return trusted ? 'published' : 'quarantined';
  };

  return {
    judge,

    async check(versionId) {
      const state = await store.adopted();
      const found = await versions.find(versionId);
      if (found && found.revision < state.revision && found.status !== 'revoked') await judge(found, state);
      const version = await versions.find(versionId);
      if (version?.status !== 'quarantined') return;
      throw new PlatformError(
        'SIGNATURE_REVOKED',
        version.statusReason?.message ?? 'the version is not trusted',
      );
    },
  };
}
