/** A stored artifact; its bytes lie under its bundle's content hash and this target. */
export interface Artifact {
  target: string;
  /** Of the bytes, hex. */
  sha256: string;
  sizeBytes: number;
  /** `sha256:<hex>` of the key that counter-signed it; absent where an earlier release made it. */
  keyId?: string;
}
