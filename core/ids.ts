import type { LifecycleKind } from './progress.ts';

/** Temporal task queue of workflows and of activities on the database and the object store. */
export const LIFECYCLE_TASK_QUEUE = 'extensions';
/** Temporal task queue of the activities that read whole bundles: few at once, because of what each takes of its worker. */
export const VERIFY_TASK_QUEUE = 'extensions-verify';
/** Temporal task queue of warm-ups and probes: few at once, because each takes a runner's cores from calls that serve. */
export const PROBE_TASK_QUEUE = 'extensions-probe';
/** Temporal task queue of the CPU-heavy activities: component inspection and jco. */
export const PRECOMPILE_TASK_QUEUE = 'extensions-precompile';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const CONTENT_HASH = /^sha256:[0-9a-f]{64}$/;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

export function isUuid(value: string): boolean {
  return UUID.test(value);
}

/** The time in a UUIDv7 (RFC 9562), to the millisecond; undefined for other versions. */
export function timeOfUuid(uuid: string): Date | undefined {
  if (uuid[14] !== '7') return undefined;
  return new Date(Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16));
}

/** `sha256:<64 hex>` of the bundle bytes. */
export function isContentHash(value: string): boolean {
  return CONTENT_HASH.test(value);
}

/** A correlation id as clients may send one. */
export function isRequestId(text: string): boolean {
  return REQUEST_ID.test(text);
}

/** The hex part of a content hash, as object keys use it. */
export function contentHashHex(contentHash: string): string {
  return contentHash.slice('sha256:'.length);
}

export function publishWorkflowId(uploadId: string): string {
  return `publish:${uploadId}`;
}

/** Whoever wants the artifact of this content for this target finds its making under this id. */
export function precompileWorkflowId(contentHash: string, target: string): string {
  return `precompile:${contentHash}:${target}`;
}

/** Bringing every live bundle to a target and a key; `keyId` is `sha256:<hex>` of the public key. */
export function recompileWorkflowId(target: string, keyId: string): string {
  return `recompile:${target}:${keyId}`;
}

/** Everything that changes one install runs under this id, so operations on it cannot race. */
export function installWorkflowId(tenantId: string, extensionId: string): string {
  return `install:${tenantId}:${extensionId}`;
}

/** What acts at once, whatever operation holds the install, takes no turn behind one. */
const INTERRUPTING: readonly LifecycleKind[] = ['disable', 'uninstall'];

/** Where an operation on an install that is there runs: under the install's id, or one of its own that ends what runs there. */
export function operationWorkflowId(
  kind: LifecycleKind,
  { tenantId, extensionId, installId }: { tenantId: string; extensionId: string; installId: string },
): string {
  return INTERRUPTING.includes(kind) ? `${kind}:${installId}` : installWorkflowId(tenantId, extensionId);
}

/** The end of an uninstalled install's data, after its grace. */
export function purgeWorkflowId(installId: string): string {
  return `purge:${installId}`;
}

/** A person's decision on what a version of an install may do. It holds up no operation on the install. */
export function consentWorkflowId(installId: string, versionId: string): string {
  return `consent:${installId}:${versionId}`;
}

/** The wait for settings that a version of an install needs, which holds up no operation either. */
export function settingsWorkflowId(installId: string, versionId: string): string {
  return `settings:${installId}:${versionId}`;
}

/** Changes of what is trusted, each under an id of its own: a running one is joined. */
export function trustWorkflowId(
  kind: 'trust-key' | 'revoke-key' | 'revoke-version' | 'sign-version' | 'transfer-publisher',
  id: string,
): string {
  return `${kind}:${id}`;
}

/** Lower case, runs of other characters than a-z0-9 as one '-', none at the ends. The first dot of `publisher.name` divides. */
export function publisherSlug(publisher: string): string {
  return publisher
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
}

const EXTENSION_ADDRESS = /^[a-z0-9-]{1,100}\.[a-z0-9.-]{1,100}$/;

/** Whether the text may stand for an extension in a path: its registry UUID, or `publisher.name`. */
export function isExtensionRef(text: string): boolean {
  return isUuid(text) || EXTENSION_ADDRESS.test(text);
}

/** `publisher.name`, the readable address of an extension. */
export function extensionAddress(slug: string, name: string): string {
  return `${slug}.${name}`;
}
