import {
  ALWAYS_GRANTED,
  capabilityOfInterface,
  scopeAllows,
  type CapabilityName,
} from '../../core/capabilities.ts';
import { scopeKey, scopeSchema } from '../../core/capability-scope.ts';
import type { ExecuteRequest } from '../../core/execute.ts';
import type { HostReply, WitValue } from '../engine/engine.ts';

/** Lines of one execution at most: a guest may ask for other names without end. */
const MAX_LINES = 16;
const MAX_QUOTED = 200;

const success = (message: string): HostReply => ({ ok: { success: false, error: message } });
const DENIED: HostReply = { err: 'denied' };
const DENIED_V2: HostReply = { err: { tag: 'denied' } };
const NOT_ALLOWED: HostReply = { err: 'not-allowed' };
const notGranted = (name: CapabilityName): HostReply => success(`the capability cap:${name} is not granted`);
const NO_SCHEDULES = notGranted('scheduler.manage');

/** What each function of the world answers without a grant: its own interface's way of saying no. */
const WITHOUT_GRANT: Readonly<Record<string, Readonly<Record<string, HostReply>>>> = {
  'context-v2': { 'get-config': { ok: '{}' } },
  secrets: { get: DENIED, 'list-keys': { ok: [] } },
  http: { fetch: NOT_ALLOWED },
  storage: { get: DENIED, put: DENIED, delete: DENIED, 'list-entries': DENIED },
  'storage-v2': {
    get: DENIED_V2,
    put: DENIED_V2,
    delete: DENIED_V2,
    'list-entries': DENIED_V2,
    increment: DENIED_V2,
    'get-many': DENIED_V2,
    'put-many': DENIED_V2,
    'delete-many': DENIED_V2,
  },
  metrics: { count: { ok: undefined }, observe: { ok: undefined } },
  'ui-proxy': { 'call-route': DENIED },
  user: { 'get-user': NOT_ALLOWED },
  'user-v2': { 'get-user': NOT_ALLOWED },
  scheduler: {
    'list-schedules': DENIED,
    'get-schedule': DENIED,
    'create-schedule': NO_SCHEDULES,
    'update-schedule': NO_SCHEDULES,
    'delete-schedule': NO_SCHEDULES,
    'get-endpoints': DENIED,
  },
  invoicing: { 'create-manual-invoice': notGranted('invoice.manual.create') },
  clients: { 'list-clients': NOT_ALLOWED, 'get-client': NOT_ALLOWED },
  services: { 'list-services': NOT_ALLOWED, 'get-service': NOT_ALLOWED },
};

/** Undefined for a function that is no part of the world. */
export function replyWithoutGrant(interfaceName: string, functionName: string): HostReply | undefined {
  const functions = Object.hasOwn(WITHOUT_GRANT, interfaceName) ? WITHOUT_GRANT[interfaceName] : undefined;
  return functions !== undefined && Object.hasOwn(functions, functionName)
    ? functions[functionName]
    : undefined;
}

/** Tells the author of an extension, in its log, what was denied and what would have allowed it. */
export interface Denials {
  /** `value`: what of the capability was asked for, such as a secret's name, where a scope could name it. */
  denied: (capability: CapabilityName, value?: string) => void;
  /** The same for what would have been denied whatever was granted, in the caller's words. */
  explain: (line: string) => void;
}

/** For one execution: each line once, and a bounded number of them. */
export function createDenials(
  request: Pick<ExecuteRequest, 'providers' | 'switched_off'>,
  log: (line: string) => void,
): Denials {
  const told = new Set<string>();
  const explain = (line: string): void => {
    if (told.has(line) || told.size > MAX_LINES) return;
    told.add(line);
    log(told.size > MAX_LINES ? 'more was denied, and is not listed' : line);
  };
  return {
    denied: (capability, value) => explain(textOf(request, capability, value)),
    explain,
  };
}

function textOf(
  { providers, switched_off: off = [] }: Pick<ExecuteRequest, 'providers' | 'switched_off'>,
  capability: CapabilityName,
  value: string | undefined,
): string {
  const key = scopeKey(capability);
  const asked = value === undefined || key === undefined ? '' : ` for ${singular(key)} ${quoted(value)}`;
  const denied = `cap:${capability} was denied${asked}`;
  if (off.includes(capability)) return `${denied}: an operator has switched it off for this tenant`;
  const scope = providers.find((granted) => granted.capability === capability)?.scope;
  if (ALWAYS_GRANTED.includes(capability)) return `${denied}: an admin of the tenant withholds it`;
  const isNarrowed = scope !== undefined && key !== undefined && value !== undefined;
  if (scope && (!isNarrowed || scopeAllows(scope, key, value))) {
    return `${denied}: its grant was narrowed or switched off while this execution ran`;
  }
  const wanted = key !== undefined && value !== undefined ? { [key]: [value] } : undefined;
  const unfit = wanted && scopeSchema(capability).safeParse(wanted).error?.issues[0]?.message;
  if (unfit !== undefined) return `${denied}, which no manifest can ask for: it ${unfit}`;
  const line = JSON.stringify({ name: `cap:${capability}`, ...(wanted && { scope: wanted }) });
  return isNarrowed
    ? `${denied}: its scope in "capabilities" of manifest.json has to hold it, as in ${line}; if it does, an admin of the tenant has narrowed the grant`
    : `${denied}: add ${line} to "capabilities" in manifest.json; if it is there, an admin of the tenant has not granted it`;
}

/** What a call without a grant asked for: the capability, and what of it. */
export function askedFor(
  interfaceName: string,
  args: readonly WitValue[],
): { capability: CapabilityName; value?: string } | undefined {
  const capability = capabilityOfInterface(interfaceName);
  if (capability === undefined) return undefined;
  const value = scopeKey(capability) === undefined ? undefined : valueIn(args[0]);
  return { capability, ...(value !== undefined && { value }) };
}

/** The first argument of a function says what is asked for: by itself, as the namespace of a record, or as the host of a request. */
function valueIn(argument: WitValue): string | undefined {
  if (typeof argument === 'string') return argument;
  if (typeof argument !== 'object' || argument instanceof Uint8Array) return undefined;
  const { namespace, url } = argument as { readonly [field: string]: WitValue };
  if (typeof namespace === 'string') return namespace;
  return typeof url === 'string' ? URL.parse(url)?.host : undefined;
}

function singular(key: string): string {
  return key.replace(/s$/, '');
}

function quoted(value: string): string {
  return JSON.stringify(value.length > MAX_QUOTED ? `${value.slice(0, MAX_QUOTED)}…` : value);
}
