import { createHash } from 'node:crypto';
import { contentHashHex, isContentHash } from '../../core/ids.ts';

const STAGING = 'staging/';
const UUID_LENGTH = 36;

/** The object store's layout. `base` is BUNDLE_STORE_BASE and ends in "/". */
export function createObjectKeys(base: string): ObjectKeys {
  const folder = (contentHash: string): string => `${base}${contentHashHex(contentHash)}`;
  return {
    prefixes: { staging: STAGING, bundles: base },
    staging: stagingKey,
    pinned(upload, pin) {
      const place = `${stagingKey(upload)}.${pin}`;
      return { bundle: `${place}.tar.zst`, manifest: `${place}.json`, component: `${place}.wasm` };
    },
    stagingOf: (upload) => stagingKey(upload).slice(0, -UUID_LENGTH),
    uploadOf(key) {
      const [, tenantId, , name] = key.startsWith(STAGING) ? key.split('/') : [];
      if (tenantId === undefined || name === undefined) return undefined;
      return { tenantId, uploadId: name.slice(0, UUID_LENGTH) };
    },
    contentOf(key) {
      const [hex = '', file] = key.startsWith(base) ? key.slice(base.length).split('/') : [];
      const contentHash = `sha256:${hex}`;
      return file !== undefined && isContentHash(contentHash) ? contentHash : undefined;
    },
    content: (hash) => `${folder(hash)}/`,
    bundle: (hash) => `${folder(hash)}/bundle.tar.zst`,
    manifest: (hash) => `${folder(hash)}/manifest.json`,
    component: (hash) => `${folder(hash)}/entry.wasm`,
    artifact: (hash, target) => `${folder(hash)}/precompiled/${target}.tar.zst`,
    signature: (hash, digest) => `${folder(hash)}/signatures/${digest}.dsse.json`,
    unnamedSignature: (hash, target) => `${folder(hash)}/precompiled/${target}.dsse.json`,
  };
}

/** Whose upload: a principal of a tenant. */
export interface StagedUpload {
  tenantId: string;
  uploadId: string;
  /** Who began it. */
  requestedBy: string;
}

// A principal may be named with characters that a key has not. No folder of its own: in a store that is one, it would stay when it is empty.
function stagingKey({ tenantId, uploadId, requestedBy }: StagedUpload): string {
  const user = createHash('sha256').update(requestedBy).digest('hex').slice(0, 16);
  return `${STAGING}${tenantId}/${user}/${uploadId}`;
}

export interface ObjectKeys {
  /** What all keys begin with. */
  prefixes: { staging: string; bundles: string };
  /** Upload bytes on their way in, bound to tenant and user. */
  staging(upload: StagedUpload): string;
  /** What one attempt at verifying an upload read, where nobody but the platform writes; `pin` is the attempt's own. */
  pinned(upload: StagedUpload, pin: string): Record<'bundle' | 'manifest' | 'component', string>;
  /** What the keys of all that is staged for the user of an upload begin with. */
  stagingOf(upload: StagedUpload): string;
  /** Whose bytes are under a key of staging; undefined if it is no such key. */
  uploadOf(key: string): { tenantId: string; uploadId: string } | undefined;
  /** Of which content an object is; undefined if it is under no such key. */
  contentOf(key: string): string | undefined;
  /** What the keys of all that is of a content begin with. */
  content(contentHash: string): string;
  bundle(contentHash: string): string;
  manifest(contentHash: string): string;
  component(contentHash: string): string;
  artifact(contentHash: string, target: string): string;
  /** DSSE envelope; `digest` is the hex sha256 of the statement in it. */
  signature(contentHash: string, digest: string): string;
  /** The one counter-signature that an artifact of layout revision 1 has; only read. */
  unnamedSignature(contentHash: string, target: string): string;
}
