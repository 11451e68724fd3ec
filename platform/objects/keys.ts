import { contentHashHex } from '../../core/ids.ts';

const STAGING = 'staging/';

/** The object store's layout. `base` is BUNDLE_STORE_BASE and ends in "/". */
export function createObjectKeys(base: string): ObjectKeys {
  const folder = (contentHash: string): string => `${base}${contentHashHex(contentHash)}`;
  return {
    prefixes: { staging: STAGING, bundles: base },
    staging: (tenantId, uploadId) => `${STAGING}${tenantId}/${uploadId}`,
    uploadOf(key) {
      const [, tenantId, uploadId] = key.startsWith(STAGING) ? key.split('/') : [];
      return tenantId !== undefined && uploadId !== undefined ? { tenantId, uploadId } : undefined;
    },
    bundle: (hash) => `${folder(hash)}/bundle.tar.zst`,
    manifest: (hash) => `${folder(hash)}/manifest.json`,
    component: (hash) => `${folder(hash)}/entry.wasm`,
    artifact: (hash, target) => `${folder(hash)}/precompiled/${target}.tar.zst`,
    signature: (hash, digest) => `${folder(hash)}/signatures/${digest}.dsse.json`,
    unnamedSignature: (hash, target) => `${folder(hash)}/precompiled/${target}.dsse.json`,
  };
}

export interface ObjectKeys {
  /** What all keys begin with. */
  prefixes: { staging: string; bundles: string };
  /** Upload bytes on their way in, bound to the tenant. */
  staging(tenantId: string, uploadId: string): string;
  /** Whose bytes are under a key of staging; undefined if it is no such key. */
  uploadOf(key: string): { tenantId: string; uploadId: string } | undefined;
  bundle(contentHash: string): string;
  manifest(contentHash: string): string;
  component(contentHash: string): string;
  artifact(contentHash: string, target: string): string;
  /** DSSE envelope; `digest` is the hex sha256 of the statement in it. */
  signature(contentHash: string, digest: string): string;
  /** The one counter-signature that an artifact of layout revision 1 has; only read. */
  unnamedSignature(contentHash: string, target: string): string;
}
