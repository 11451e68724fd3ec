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

/** A decision as the consent it amounts to: a grant without a list consents to all that was asked for. */
export function consentOf(decision: ConsentDecision): Consent {
  return decision.capabilities ?? 'all';
}
