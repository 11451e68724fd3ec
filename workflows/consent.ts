import { ApplicationFailure } from '@temporalio/workflow';
import type { RequestedCapability } from '../activities/installs.ts';
import type { Grant } from '../core/capabilities.ts';
import type { ConsentDecision, InstallExtensionInput } from './messages.ts';

/** Capabilities consented to by name; a name of one that is not asked for grants nothing. */
export type Consent = InstallExtensionInput['consent'];

/** Whether every required capability is consented to. */
export function coversRequired(requested: readonly RequestedCapability[], consent: Consent): boolean {
  return requested.every(
    ({ capability, optional }) => optional || consent === 'all' || consent.includes(capability),
  );
}

/** What is granted: the required ones, and of the optional ones those consented to. Each with the scope the manifest gives. */
export function grantsFor(requested: readonly RequestedCapability[], consent: Consent): Grant[] {
  return requested
    .filter(({ capability, optional }) => !optional || consent === 'all' || consent.includes(capability))
    .map(({ capability, scope }) => ({ capability, scope }));
}

/** What a grant covers when the operation that waited for it begins anew: required ones are consented to by granting at all. */
export function withRequired(
  requested: readonly RequestedCapability[],
  { capabilities }: ConsentDecision,
): Consent {
  if (capabilities === undefined) return 'all';
  const required = requested.filter(({ optional }) => !optional).map(({ capability }) => capability);
  return [...new Set([...required, ...capabilities])];
}

/** A decision may name what was asked for and nothing else. Throws CONSENT_INVALID. */
export function refuseUnrequested(
  requested: readonly RequestedCapability[],
  { capabilities = [] }: ConsentDecision,
): void {
  const unknown = capabilities.filter((name) => !requested.some(({ capability }) => capability === name));
  if (unknown.length === 0) return;
  throw ApplicationFailure.nonRetryable(
    `the version does not ask for ${unknown.join(', ')}`,
    'CONSENT_INVALID',
  );
}
