import { contentHashHex } from '../../core/ids.ts';

/** The object store's layout. `base` is BUNDLE_STORE_BASE and ends in "/". */
export function createObjectKeys(base: string): ObjectKeys {
  const folder = (contentHash: string): string => `${base}${contentHashHex(contentHash)}`;
  return {
    staging: (tenantId, uploadId) => `staging/${tenantId}/${uploadId}`,
    bundle: (hash) => `${folder(hash)}/bundle.tar.zst`,
    manifest: (hash) => `${folder(hash)}/manifest.json`,
    component: (hash) => `${folder(hash)}/entry.wasm`,
    artifact: (hash, target) => `${folder(hash)}/precompiled/${target}.tar.zst`,
    signature: (hash, digest) => `${folder(hash)}/signatures/${digest}.dsse.json`,
    unnamedSignature: (hash, target) => `${folder(hash)}/precompiled/${target}.dsse.json`,
  };
}

export interface ObjectKeys {
  /** Upload bytes on their way in, bound to the tenant. */
  staging(tenantId: string, uploadId: string): string;
  bundle(contentHash: string): string;
  manifest(contentHash: string): string;
  component(contentHash: string): string;
  artifact(contentHash: string, target: string): string;
  /** DSSE envelope; `digest` is the hex sha256 of the statement in it. */
  signature(contentHash: string, digest: string): string;
  /** The one counter-signature that an artifact of layout revision 1 has; only read. */
  unnamedSignature(contentHash: string, target: string): string;
}
