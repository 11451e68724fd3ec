/** What a tenant may have at once, whoever it is. They bound what one tenant can make the platform keep, well above what people need. */
export const TENANT_QUOTAS = {
  /** Uploads that have not ended: staged or being published. */
  openUploads: 50,
  /** Bytes that these have announced. */
  openUploadBytes: 2 * 1024 * 1024 * 1024,
  /** Installs and changes of config or secrets that are asked for and not applied, those that wait for consent among them. */
  drafts: 200,
  /** API keys that are neither revoked nor expired. */
  apiKeys: 200,
} as const;
