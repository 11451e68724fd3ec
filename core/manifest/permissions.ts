import { ALWAYS_GRANTED, capabilityEntry } from '../capabilities.ts';
import type { CapabilityName, CapabilityScope } from '../capabilities.ts';
import type { CapabilityRequest } from './capability-request.ts';
import type { Manifest } from './manifest.ts';

/** One line of what an admin is asked to consent to. */
export interface ExtensionPermission {
  capability: CapabilityName;
  /** What it is narrowed to; empty means all of it. */
  scope: CapabilityScope;
  /** May be declined, and the extension still works. */
  optional: boolean;
  /** Every install has it, asked for or not: there is nothing to consent to. */
  always: boolean;
  /** The platform's own words. */
  summary: string;
  /** The author's words. */
  reason?: string;
}

/** Every capability that a version asks for, wherever in its manifest. */
export function requestedCapabilities({ capabilities, instance, api }: Manifest): CapabilityRequest[] {
  const names = [...new Set(api?.endpoints.flatMap(({ headers = [] }) => headers))];
  return [
    ...capabilities,
    ...(instance === 'shared' ? [whole('instance.shared', {})] : []),
    ...(names.length > 0 ? [whole('headers.read', { names })] : []),
  ];
}

function whole(name: CapabilityName, scope: CapabilityScope): CapabilityRequest {
  return { name, scope, optional: false };
}

/** Everything an install of this version may do: what it asks for in its order, then what every install has anyway. */
export function permissionsOf(manifest: Manifest): ExtensionPermission[] {
  const asked = requestedCapabilities(manifest).map(({ name, scope, optional, reason }) => ({
    ...permission(name),
    scope,
    optional,
    ...(reason === undefined ? {} : { reason }),
  }));
  const names = new Set(asked.map(({ capability }) => capability));
  return [...asked, ...ALWAYS_GRANTED.filter((name) => !names.has(name)).map(permission)];
}

function permission(name: CapabilityName): ExtensionPermission {
  const { summary, always = false } = capabilityEntry(name);
  return { capability: name, scope: {}, optional: false, always, summary };
}
