import { isDeepStrictEqual } from 'node:util';
import type { Knex } from 'knex';
import { PlatformError } from '../../core/errors.ts';
import {
  mergeTrust,
  type Trust,
  type TrustBundle,
  type TrustKey,
  type TrustKeyState,
} from '../../core/trust.ts';
import { trustBundleDigest } from '../signatures/trust-bundle.ts';

interface TrustKeyRow {
  key_id: string;
  public_key: string;
  name: string | null;
  publishers: string[];
  not_before: Date | null;
  not_after: Date | null;
  state: TrustKeyState;
  reason: string | null;
}

/** What is trusted, and the number of that state: it grows with each change. */
export interface TrustState {
  trust: Trust;
  revision: number;
}

/** How judging everything that is published went. */
export interface TrustReport {
  /** Of the trust that it was judged by. */
  revision: number;
  /** The workflow that did it. */
  workflowId: string;
  /** Versions that were judged, and those of them whose status changed. */
  versions: number;
  quarantined: number;
  released: number;
  /** Installs that serve a version whose status changed. */
  installs: number;
  /** RFC 3339 UTC. */
  endedAt: string;
}

/** What operators are shown. */
export interface TrustOverview extends TrustState {
  /** Versions that are not judged by it yet. */
  left: number;
  lastPass?: TrustReport;
}

const FIRST_REVISION = 1;

export type TrustStore = ReturnType<typeof createTrustStore>;

/** What is trusted: `file` is this process's own trust bundle, the rest is in the database. */
export function createTrustStore(db: Knex, file: TrustBundle | undefined) {
  async function current(): Promise<TrustState> {
    // The revision first: keys that changed since are judged by again, and never the other way round.
    const { revision } = (await db('extension_trust').first('revision')) as { revision: number };
    const rows = (await db('extension_trust_key').orderBy('key_id')) as TrustKeyRow[];
    const registry = rows.length > 0 ? { threshold: 1, keys: rows.map(toKey) } : undefined;
    return { trust: mergeTrust([file, registry]), revision };
  }

  /** Whether the trust bundle of the digest, null without one, is the one that was adopted last. */
  async function isAdopted(digest: string | null): Promise<boolean> {
    const row = (await db('extension_trust').first('file_digest')) as { file_digest: string | null };
    return row.file_digest === digest;
  }

  return {
    current,
    isAdopted,

    /**
     * What `current` answers, for whoever writes down what follows from it. Throws TRUST_CHANGED where this process has another trust bundle than the
     * one that was adopted, as a worker of before has until it is replaced: what it made of a revision would stand for the new bundle's.
     */
    async adopted(): Promise<TrustState> {
      const state = await current();
      // Afterwards: an adoption meanwhile raises the revision as well.
      if (await isAdopted(trustBundleDigest(file))) return state;
      throw new PlatformError(
        'TRUST_CHANGED',
        'this worker has another SIGNING_TRUST_BUNDLE than the one that was adopted last; it leaves this to a worker that has that one',
      );
    },

    async overview(): Promise<TrustOverview> {
      const { trust } = await current();
      // After the keys: a pass by this revision has judged by all of them.
      const { revision, last_pass: lastPass } = (await db('extension_trust').first(
        'revision',
        'last_pass',
      )) as { revision: number; last_pass: TrustReport | null };
      const [{ left }] = (await db('extension_version')
        .whereNot('status', 'revoked')
        .where('trust_revision', '<', revision)
        .count({ left: '*' })) as [{ left: number }];
      return { trust, revision, left, ...(lastPass && { lastPass }) };
    },

    /** A second time changes nothing. */
    async adopt(digest: string | null): Promise<void> {
      await db('extension_trust')
        .whereRaw('file_digest is distinct from ?', [digest])
        .update({ file_digest: digest, revision: db.raw('revision + 1') });
    },

    /** One by earlier trust does not replace one by later trust. */
    async report(report: TrustReport): Promise<void> {
      await db('extension_trust')
        .whereRaw("coalesce((last_pass->>'revision')::bigint, 0) <= ?", [report.revision])
        .update({ last_pass: JSON.stringify(report) });
    },

    /** Trusts a key from here on. A second time changes nothing; one that is here as another throws STATE_CONFLICT. */
    async add(key: TrustKey, createdBy: string): Promise<void> {
      await db.transaction(async (trx) => {
        const inserted = (await trx('extension_trust_key')
          .insert({ ...toRow(key), created_by: createdBy })
          .onConflict()
          .ignore()
          .returning('key_id')) as unknown[];
        if (inserted.length > 0) await change(trx);
        else await refuseOther(trx, key);
      });
    },
    /**
     * Trusts nothing any more that the key ever signed. The key is one of the registry or of a trust bundle; a second time changes nothing.
     */
    async revoke(key: TrustKey, revokedBy: string): Promise<void> {
      await db.transaction(async (trx) => {
        const revoked = {
          state: 'revoked',
          reason: key.reason ?? null,
          revoked_by: revokedBy,
          revoked_at: trx.fn.now(),
        };
        const changed = (await trx('extension_trust_key')
          .insert({ ...toRow(key), created_by: revokedBy, ...revoked })
          .onConflict('key_id')
          .merge(revoked)
          .whereNot('extension_trust_key.state', 'revoked')
          .returning('key_id')) as unknown[];
        if (changed.length > 0) await change(trx);
      });
    },
  };
}

/** All that is published was held against what is trusted, and that was reported. Before the first change of trust there is nothing to report. */
export function isJudged({ revision, left, lastPass }: TrustOverview): boolean {
  return left === 0 && (lastPass?.revision ?? FIRST_REVISION) >= revision;
}

/** What is trusted stays so until the transaction ends. Throws TRUST_CHANGED if it is of another revision. */
export async function holdTrust(trx: Knex.Transaction, revision: number): Promise<void> {
  const row = (await trx('extension_trust').forShare().first('revision')) as { revision: number };
  if (row.revision === revision) return;
  throw new PlatformError('TRUST_CHANGED', 'what this platform trusts has changed meanwhile');
}

/** What was judged before has to be judged again. */
async function change(trx: Knex.Transaction): Promise<void> {
  await trx('extension_trust').increment('revision', 1);
}

async function refuseOther(trx: Knex.Transaction, key: TrustKey): Promise<void> {
  const row = (await trx('extension_trust_key').where({ key_id: key.keyId }).first()) as TrustKeyRow;
  if (isDeepStrictEqual(toKey(row), key)) return;
  const { state } = row;
  throw new PlatformError(
    'STATE_CONFLICT',
    state === 'active'
      ? 'the key is trusted already, for other publishers, times or under another name'
      : `the key is ${state}, and stays so; make a new one`,
  );
}

function toRow({ keyId, publicKey, name, publishers, notBefore, notAfter, state, reason }: TrustKey): object {
  return {
    key_id: keyId,
    public_key: publicKey,
    name: name ?? null,
    publishers,
    not_before: notBefore ?? null,
    not_after: notAfter ?? null,
    state,
    reason: reason ?? null,
  };
}

function toKey(row: TrustKeyRow): TrustKey {
  return {
    keyId: row.key_id,
    publicKey: row.public_key,
    ...(row.name !== null && { name: row.name }),
    publishers: row.publishers,
    ...(row.not_before && { notBefore: row.not_before.toISOString() }),
    ...(row.not_after && { notAfter: row.not_after.toISOString() }),
    state: row.state,
    ...(row.reason !== null && { reason: row.reason }),
  };
}
