import { createReadStream } from 'node:fs';
import { createHash } from 'node:crypto';
import type { DsseEnvelope } from '../../core/dsse-envelope.ts';
import type { PlatformError } from '../../core/errors.ts';
import type { Manifest } from '../../core/manifest/manifest.ts';
import type { Check } from '../../core/progress.ts';
import type { Trust } from '../../core/trust.ts';
import { componentNotLookedAt, verifyComponent } from '../component/component-checks.ts';
import { judgeBundle } from '../signatures/judge-bundle.ts';
import { verifyWithComponent, type Bundle, type VerifyOptions } from './read-bundle.ts';

/** As a publish has it. */
const INSPECT_TIMEOUT_MS = 60_000;

/** What the platform is known to trust, and the envelopes that would be sent along. */
export interface Signing {
  trust: Trust;
  envelopes: readonly DsseEnvelope[];
}

/**
 * Everything that a publish checks of a bundle and that can be known without the registry, by the same code: for whoever wants to hear it
 * before. Faults of the bundle are in the answer; throws what goes wrong with the file, and COMPONENT_TOOL_CRASHED.
 */
export async function verifyBundleFile(
  file: string,
  options: VerifyOptions & { signal?: AbortSignal; signing?: Signing } = {},
): Promise<{ checks: Check[]; bundle?: Bundle; fault?: PlatformError }> {
  const source = createReadStream(file) as AsyncIterable<Uint8Array>;
  const { component, manifest, bundle, ...read } = await verifyWithComponent(source, options);
  const signature = checkSignature(read.isManifestWhole ? { ...read, manifest } : undefined, options.signing);
  const firstFault = read.fault ?? signature.fault;
  const found = { checks: [...read.checks, signature.check], ...(firstFault && { fault: firstFault }) };
  if (component === undefined) {
    const checks = [...found.checks, ...componentNotLookedAt('no component could be read')];
    return { checks, ...(found.fault && { fault: found.fault }) };
  }
  const { signal } = options;
  const inspected = await verifyComponent(component, manifest, {
    timeoutMs: INSPECT_TIMEOUT_MS,
    ...(signal && { signal }),
  });
  const fault = found.fault ?? inspected.fault;
  return {
    checks: [...found.checks, ...inspected.checks],
    ...(fault && { fault }),
    ...(!fault && bundle && { bundle }),
  };
}

function checkSignature(
  read: { contentHash?: string; manifest?: Manifest | undefined; manifestBytes?: Uint8Array } | undefined,
  signing: Signing | undefined,
): { check: Check; fault?: PlatformError } {
  const name = 'signature';
  if (!signing || signing.trust.policy === 'optional') {
    const detail = 'no trust bundle was given: what signatures are worth is known where it is published';
    return { check: { name, result: 'skipped', required: false, detail } };
  }
  const { contentHash, manifest, manifestBytes } = read ?? {};
  if (contentHash === undefined || !manifest || !manifestBytes) {
    const detail = 'what has to be signed could not be read';
    return { check: { name, result: 'skipped', required: true, detail } };
  }
  const receivedAt = new Date().toISOString();
  const envelopes = signing.envelopes.map((envelope) => ({ envelope, receivedAt }));
  const manifestSha256 = createHash('sha256').update(manifestBytes).digest('hex');
  const { keyIds, fault } = judgeBundle(signing.trust, envelopes, { contentHash, manifestSha256, manifest });
  if (fault) return { check: { name, result: 'failed', required: true, detail: fault.message }, fault };
  return { check: { name, result: 'passed', required: true, detail: `signed by ${keyIds.join(', ')}` } };
}
