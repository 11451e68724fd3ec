import type { Knex } from 'knex';
import { createVersionTrust, type VersionTrust } from '../../activities/version-trust.ts';
import { createTrustStore } from '../../platform/db/trust.ts';
import { createVersionTrustStore } from '../../platform/db/version-trust.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';

/** By the trust that stands in the database, with the envelopes of an object store, or with none. */
export function versionTrustOf(
  db: Knex,
  objects: Pick<ObjectStore, 'read'> = { read: () => Promise.resolve(undefined) },
  trust = createTrustStore(db, undefined),
): VersionTrust {
  const versions = createVersionTrustStore(db);
  return createVersionTrust({ trust, versions, objects, keys: createObjectKeys('sha256/') });
}
