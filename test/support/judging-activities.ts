import type { Knex } from 'knex';
import { createRegistryActivities } from '../../activities/registry.ts';
import { createUploadTrust } from '../../activities/upload-trust.ts';
import { createVerificationActivities } from '../../activities/verification.ts';
import { createRegistryStore } from '../../platform/db/registry.ts';
import { createSignatureStore } from '../../platform/db/signatures.ts';
import { createTrustStore } from '../../platform/db/trust.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import type { ObjectKeys } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';

type Judging = ReturnType<typeof createVerificationActivities> & ReturnType<typeof createRegistryActivities>;

/** What verifies bundles and makes versions of them, with the trust that stands in the database. */
export function judgingActivities(
  db: Knex,
  { objects, keys }: { objects: ObjectStore; keys: ObjectKeys },
): Judging {
  const registry = createRegistryStore(db);
  const uploads = createUploadStore(db);
  const uploadTrust = createUploadTrust({ trust: createTrustStore(db, undefined), uploads });
  return {
    ...createVerificationActivities({ objects, keys, registry, uploadTrust }),
    ...createRegistryActivities({
      registry,
      uploads,
      signatures: createSignatureStore(db),
      objects,
      keys,
      uploadTrust,
    }),
  };
}
