import { grantsText } from './grant-text.ts';
import type { CapabilityName, CapabilityScope } from './capabilities.ts';
import type { InstallOperationKind } from './progress.ts';

// What operators read in the Temporal UI. The payload codec encrypts all of it on the server, but no secret belongs here all the same.

/** Temporal takes a summary of 400 bytes; the codec and the encoding of the text add about 130. */
const SUMMARY_BYTES = 240;

/** The text, cut to what Temporal takes as a summary. */
export function summary(text: string): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(SUMMARY_BYTES));
  return read < text.length ? `${text.slice(0, read - 3)}…` : text;
}

/** Such as `Install alga.hello 0.1.0 for tenant 0198…`. */
export function operationTitle(
  kind: InstallOperationKind,
  { extension, version, tenantId }: { extension: string; version?: string; tenantId: string },
): string {
  const verb = kind === 'narrow' ? 'Narrow grants of' : kind.slice(0, 1).toUpperCase() + kind.slice(1);
  return summary(`${verb} ${extension}${version === undefined ? '' : ` ${version}`} for tenant ${tenantId}`);
}

export interface Asked {
  capability: CapabilityName;
  scope: CapabilityScope;
}

/** Such as `Wait for consent: http.fetch to api.example.com`. */
export function consentTitle(asked: readonly Asked[]): string {
  return summary(`Wait for consent: ${grantsText(asked)}`);
}

/** Such as `Wait for settings: config.url, secrets.TOKEN`. */
export function settingsTitle(needed: readonly string[]): string {
  return summary(`Wait for settings: ${needed.join(', ')}`);
}

export function publishTitle({ uploadId, tenantId }: { uploadId: string; tenantId: string }): string {
  return summary(`Publish upload ${uploadId} of tenant ${tenantId}`);
}

export function precompileTitle({ contentHash, target }: { contentHash: string; target: string }): string {
  return summary(`Precompile ${contentHash} for ${target}`);
}

export function recompileTitle({ target }: { target: string }): string {
  return summary(`Precompile every live bundle for ${target}`);
}

export function purgeTitle({
  extension,
  installId,
  tenantId,
}: {
  extension?: string;
  installId: string;
  tenantId: string;
}): string {
  const what = extension === undefined ? '' : ` ${extension},`;
  return summary(`Purge${what} install ${installId} of tenant ${tenantId} after its grace`);
}

export const ADOPT_TRUST_TITLE = 'Hold what is published against the trust bundle that workers have now';

export const JUDGE_PUBLISHED_TITLE = 'Hold against what is trusted what is not held against it yet';

export const HOUSEKEEPING_TITLE = 'Sweep what nobody needs any more';
