import { ApplicationFailure } from '@temporalio/workflow';
import type { RequestedCapability } from '../activities/installs.ts';
import type { Grant } from '../core/capabilities.ts';
import { needsHosts, withheld } from '../core/grants.ts';
import type { ConsentDecision, InstallExtensionInput } from './messages.ts';

/** Capabilities consented to by name; a name of one that is not asked for grants nothing. */
export type Consent = InstallExtensionInput['consent'];

/** Whether every required capability is consented to, with what only an admin can name. */
export function coversRequired(
  requested: readonly RequestedCapability[],
  consent: Consent,
  narrowed?: readonly Grant[],
): boolean {
  return requested.every(
    (asked) =>
      asked.optional ||
      ((consent === 'all' || consent.includes(asked.capability)) && !needsHosts(grantOf(asked, narrowed))),
  );
}

/**
 * What is granted: the required ones, and of the optional ones those consented to. Each with the scope that the admin gave it, else with
 * the manifest's; where that would open nothing it is left out. And what the admin withholds of what every install has.
 */
export function grantsFor(
  requested: readonly RequestedCapability[],
  consent: Consent,
  narrowed?: readonly Grant[],
): Grant[] {
  const asked = requested
    .filter(({ capability, optional }) => !optional || consent === 'all' || consent.includes(capability))
    .map((asked) => grantOf(asked, narrowed))
    .filter((grant) => !needsHosts(grant));
  return [...asked, ...withheld(narrowed ?? [])];
}

function grantOf({ capability, scope }: RequestedCapability, narrowed: readonly Grant[] = []): Grant {
  return narrowed.find((grant) => grant.capability === capability) ?? { capability, scope };
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

/** A decision may name what was asked for and nothing else, and a grant has to be enough to begin with. Throws CONSENT_INVALID. */
export function refuseUnrequested(
  requested: readonly RequestedCapability[],
  decision: ConsentDecision,
): void {
  const { capabilities = [], narrowed } = decision;
  if (
    decision.decision === 'grant' &&
    !coversRequired(requested, withRequired(requested, decision), narrowed)
  ) {
    throw ApplicationFailure.nonRetryable(
      'name hosts for http.fetch, or "*" for any public host',
      'CONSENT_INVALID',
    );
  }
  const unknown = capabilities.filter((name) => !requested.some(({ capability }) => capability === name));
  if (unknown.length === 0) return;
  throw ApplicationFailure.nonRetryable(
    `the version does not ask for ${unknown.join(', ')}`,
    'CONSENT_INVALID',
  );
}
