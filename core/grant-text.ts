import type { CapabilityName, CapabilityScope, Grant } from './capabilities.ts';
import { ANY_PUBLIC_HOST } from './host-pattern.ts';
import { needsHosts } from './grants.ts';

const PREPOSITIONS: Readonly<Record<string, string>> = {
  hosts: 'to',
  namespaces: 'in',
  names: 'of',
  routes: 'to',
  topics: 'of',
  fields: 'of',
};
const NAMED = 3;

/** A grant in a few words, such as `http.fetch to api.example.com`. */
function grantText({ capability, scope }: Pick<Grant, 'capability' | 'scope'>): string {
  if (needsHosts({ capability, scope })) return `${capability} to hosts that an admin names`;
  if (scope['hosts']?.includes(ANY_PUBLIC_HOST)) return `${capability} to any public host`;
  return `${capability}${scopeText(scope)}`;
}

/** Grants in a few words; `nothing` if there are none. */
export function grantsText(
  grants: readonly { capability: CapabilityName; scope: CapabilityScope }[],
): string {
  return grants.length === 0 ? 'nothing' : grants.map(grantText).join(', ');
}

function scopeText(scope: CapabilityScope): string {
  return Object.entries(scope)
    .map(([key, values]) => {
      const more = values.length > NAMED ? ` and ${values.length - NAMED} more` : '';
      return ` ${PREPOSITIONS[key] ?? key} ${values.slice(0, NAMED).join(', ') || 'nothing'}${more}`;
    })
    .join('');
}
