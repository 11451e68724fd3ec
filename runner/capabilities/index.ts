import { ALWAYS_GRANTED, type CapabilityScope } from '../../core/capabilities.ts';
import { scopeSchema } from '../../core/capability-scope.ts';
import { PlatformError } from '../../core/errors.ts';
import { parseInput } from '../../core/issues.ts';
import type { HostReply, WitValue } from '../engine/engine.ts';
import type { CallContext, Capability, CapabilityDeps, HostFunction } from './capability.ts';
import { configCapability, contextCapability } from './context.ts';
import { replyWithoutGrant } from './denied.ts';
import { loggingCapability } from './logging.ts';
import { secretsCapability } from './secrets.ts';
import { sharedInstanceCapability } from './shared-instance.ts';
import { storageCapability } from './storage.ts';
import { userCapability } from './user.ts';

/** Everything a guest could ever reach. */
const CAPABILITIES: readonly Capability[] = [
  contextCapability,
  configCapability,
  loggingCapability,
  userCapability,
  secretsCapability,
  sharedInstanceCapability,
  storageCapability,
];

/** What this runner announces to gateways. */
export const SERVED_CAPABILITIES = CAPABILITIES.map(({ name }) => name);

export interface BoundHost {
  call: (interfaceName: string, functionName: string, args: readonly WitValue[]) => Promise<HostReply>;
  /** Answers that stay the same for the whole execution, by `interface.function`. */
  constants: Readonly<Record<string, HostReply>>;
}

/**
 * The host as one execution sees it: starts from nothing, and a function is there only because a grant put it there.
 * Throws INPUT_INVALID for a grant that no capability serves or whose scope it does not know. The answer throws for functions
 * that a sandbox has no business asking for, and for arguments of a wrong shape.
 */
export function bindHost(call: CallContext, deps: CapabilityDeps): BoundHost {
  const granted = new Map<string, HostFunction>();

  const put = (capability: Capability, scope: CapabilityScope): void => {
    for (const [interfaceName, functions] of Object.entries(capability.bind(call, scope, deps))) {
      for (const [name, serve] of Object.entries(functions)) granted.set(`${interfaceName}.${name}`, serve);
    }
  };
  for (const capability of CAPABILITIES) {
    if (ALWAYS_GRANTED.includes(capability.name)) put(capability, {});
  }
  for (const { capability: name, scope } of call.request.providers) {
    const capability = CAPABILITIES.find((candidate) => candidate.name === name);
    if (capability === undefined) {
      throw new PlatformError('INPUT_INVALID', `cap:${name} is not served by this runner`);
    }
    put(capability, parseInput(scopeSchema(name), scope, `the scope of cap:${name} is not one it knows`));
  }

  return {
    async call(interfaceName, functionName, args) {
      const serve = granted.get(`${interfaceName}.${functionName}`);
      if (serve !== undefined) return serve(args);
      const reply = replyWithoutGrant(interfaceName, functionName);
      if (reply !== undefined) return reply;
      throw new PlatformError('INTERNAL', 'the sandbox called a function that nobody serves');
    },
    constants: Object.fromEntries(
      [...granted].flatMap(([name, { constant }]) => (constant === undefined ? [] : [[name, constant]])),
    ),
  };
}
