import { ALWAYS_GRANTED, type CapabilityName, type CapabilityScope } from '../../core/capabilities.ts';
import { grantScopeSchema } from '../../core/capability-scope.ts';
import { PlatformError } from '../../core/errors.ts';
import type { ExecuteRequest } from '../../core/execute.ts';
import { parseInput } from '../../core/issues.ts';
import type { HostReply, WitValue } from '../engine/engine.ts';
import type { CallContext, Capability, CapabilityDeps, Constants, HostFunction } from './capability.ts';
import { configCapability, contextCapability } from './context.ts';
import { askedFor, createDenials, replyWithoutGrant, type Denials } from './denied.ts';
import { headersCapability } from './headers.ts';
import { clientsCapability, invoicingCapability, servicesCapability } from './host-application.ts';
import { httpCapability } from './http.ts';
import { loggingCapability } from './logging.ts';
import { metricsCapability } from './metrics.ts';
import { schedulerCapability } from './scheduler.ts';
import { secretsCapability } from './secrets.ts';
import { sharedInstanceCapability } from './shared-instance.ts';
import { storageCapability } from './storage.ts';
import { uiProxyCapability } from './ui-proxy.ts';
import { userCapability } from './user.ts';

/** Everything a guest could ever reach. */
const CAPABILITIES: readonly Capability[] = [
  contextCapability,
  configCapability,
  loggingCapability,
  metricsCapability,
  userCapability,
  secretsCapability,
  sharedInstanceCapability,
  headersCapability,
  storageCapability,
  httpCapability,
  uiProxyCapability,
  schedulerCapability,
  clientsCapability,
  servicesCapability,
  invoicingCapability,
];

/** What this runner announces to gateways. */
export const SERVED_CAPABILITIES = CAPABILITIES.map(({ name }) => name);

const ALWAYS: readonly Granted[] = CAPABILITIES.filter(({ name }) => ALWAYS_GRANTED.includes(name)).map(
  (capability) => ({ capability, scope: {} }),
);

interface Granted {
  capability: Capability;
  scope: CapabilityScope;
}

/** One execution, before anything was denied it. */
export interface BoundCall extends Omit<CallContext, keyof Denials> {
  /** A line of the platform in the guest's log. */
  hostLog: (line: string) => void;
}

export interface BoundHost {
  call: (interfaceName: string, functionName: string, args: readonly WitValue[]) => Promise<HostReply>;
  constants: Constants;
}

/**
 * The host as one execution sees it: starts from nothing, and a function is there only because a grant put it there.
 * Throws INPUT_INVALID for a grant that no capability serves or whose scope it does not know. The answer throws for functions
 * that a sandbox has no business asking for, and for arguments of a wrong shape.
 */
export function bindHost({ hostLog, ...bound }: BoundCall, deps: CapabilityDeps): BoundHost {
  const { request } = bound;
  const granted = [...alwaysOf(request), ...request.providers.map(grantedBy)];
  const constants: Record<string, HostReply> = {};
  for (const { capability, scope } of granted) {
    Object.assign(constants, capability.constants?.(request, scope));
  }
  const denials = createDenials(request, hostLog);
  const call: CallContext = { ...bound, ...denials };
  // Most executions ask for nothing.
  let functions: Map<string, HostFunction> | undefined;

  return {
    async call(interfaceName, functionName, args) {
      const name = `${interfaceName}.${functionName}`;
      if (Object.hasOwn(constants, name)) return constants[name] as HostReply;
      functions ??= functionsOf(granted, call, deps);
      const serve = functions.get(name);
      if (serve !== undefined) return serve(args);
      const reply = replyWithoutGrant(interfaceName, functionName);
      const asked = askedFor(interfaceName, args);
      if (reply !== undefined && asked !== undefined) {
        denials.denied(asked.capability, asked.value);
        if (asked.capability === 'metrics.emit') deps.guestMetrics.drop('not-granted');
        return reply;
      }
      throw new PlatformError('INTERNAL', 'the sandbox called a function that nobody serves');
    },
    constants,
  };
}

/** What every install has: unless it is named, perhaps narrowed, or an operator keeps it from the tenant. */
function alwaysOf({ providers, switched_off: off }: ExecuteRequest): Granted[] {
  const isNamed = (name: CapabilityName): boolean =>
    providers.some((named) => named.capability === name) || off?.includes(name) === true;
  return ALWAYS.filter(({ capability }) => !isNamed(capability.name));
}

function grantedBy({ capability: name, scope }: ExecuteRequest['providers'][number]): Granted {
  const capability = CAPABILITIES.find((candidate) => candidate.name === name);
  if (capability === undefined) {
    throw new PlatformError('INPUT_INVALID', `cap:${name} is not served by this runner`);
  }
  const known = parseInput(grantScopeSchema(name), scope, `the scope of cap:${name} is not one it knows`);
  return { capability, scope: known };
}

function functionsOf(
  granted: readonly Granted[],
  call: CallContext,
  deps: CapabilityDeps,
): Map<string, HostFunction> {
  const functions = new Map<string, HostFunction>();
  for (const { capability, scope } of granted) {
    for (const [interfaceName, served] of Object.entries(capability.bind?.(call, scope, deps) ?? {})) {
      for (const [name, serve] of Object.entries(served)) functions.set(`${interfaceName}.${name}`, serve);
    }
  }
  return functions;
}
