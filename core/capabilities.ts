/**
 * Everything an extension can ask for. `interfaces` are the WIT interfaces (package `alga:extension`) whose calls need it;
 * `provided` says whether this platform serves it: a version that requires one that is not provided is refused at publish.
 */
interface CapabilityEntry {
  interfaces: readonly string[];
  provided: boolean;
  /** Granted to every install, without consent. */
  always?: true;
  /** What the admin reads at consent. */
  summary: string;
}

const CATALOGUE = {
  'context.read': {
    interfaces: ['context'],
    provided: true,
    always: true,
    summary: 'Know which tenant and install it runs for',
  },
  'log.emit': { interfaces: ['logging'], provided: true, always: true, summary: 'Write log lines' },
  'user.read': {
    interfaces: ['user', 'user-v2'],
    provided: true,
    always: true,
    summary:
      'Know which user called it: id and type; unless an admin withholds them, name, e-mail address and client too',
  },
  'config.read': { interfaces: ['context-v2'], provided: true, summary: 'Read its settings' },
  /** Asked for by `instance: "shared"` in a manifest. */
  'instance.shared': {
    interfaces: [],
    provided: true,
    summary: 'Keep what it has in memory from one call to the next, whoever calls',
  },
  /** Asked for by `headers` of an endpoint in a manifest; the gateway heeds it. */
  'headers.read': {
    interfaces: [],
    provided: true,
    summary: 'Read these headers of the requests that call it',
  },
  'secrets.get': { interfaces: ['secrets'], provided: true, summary: 'Read the secrets set for it' },
  'storage.kv': { interfaces: ['storage', 'storage-v2'], provided: true, summary: 'Keep its own records' },
  'http.fetch': { interfaces: ['http'], provided: true, summary: 'Call other systems over HTTP' },
  'ui.proxy': {
    interfaces: ['ui-proxy'],
    provided: true,
    summary: 'Call named routes of the host application',
  },
  'scheduler.manage': {
    interfaces: ['scheduler'],
    provided: true,
    summary: 'Run its handlers on a schedule',
  },
  'events.emit': { interfaces: [], provided: false, summary: 'Publish events' },
  'events.subscribe': { interfaces: [], provided: false, summary: 'Receive events' },
  'metrics.emit': {
    interfaces: ['metrics'],
    provided: true,
    summary: 'Report figures of its own to those who operate the platform',
  },
  'invoice.manual.create': { interfaces: ['invoicing'], provided: true, summary: 'Create invoices' },
  'client.read': { interfaces: ['clients'], provided: true, summary: 'Read clients' },
  'service.read': { interfaces: ['services'], provided: true, summary: 'Read services' },
} as const satisfies Record<string, CapabilityEntry>;

export type CapabilityName = keyof typeof CATALOGUE;

export const CAPABILITY_NAMES = Object.keys(CATALOGUE) as [CapabilityName, ...CapabilityName[]];

/** What a capability is narrowed to; keys depend on the capability (`hosts`, `namespaces`, `names`, `routes`, `topics`, `fields`). */
export type CapabilityScope = Readonly<Record<string, readonly string[]>>;

/** A capability allowed to an install. */
export interface Grant {
  capability: CapabilityName;
  scope: CapabilityScope;
}

/** Accepts a name with or without the `cap:` prefix; undefined if it is none of ours. */
export function capabilityName(text: string): CapabilityName | undefined {
  const name = text.startsWith('cap:') ? text.slice('cap:'.length) : text;
  return Object.hasOwn(CATALOGUE, name) ? (name as CapabilityName) : undefined;
}

export function capabilityEntry(name: CapabilityName): CapabilityEntry {
  return CATALOGUE[name];
}

export const ALWAYS_GRANTED: readonly CapabilityName[] = CAPABILITY_NAMES.filter(
  (name) => capabilityEntry(name).always,
);

export function isAlwaysGranted(name: CapabilityName): boolean {
  return ALWAYS_GRANTED.includes(name);
}

/** A runner has these for every execution, whatever it is sent: they tell a guest what it is, and take its log lines. */
const INHERENT: readonly CapabilityName[] = ['context.read', 'log.emit'];

/** Whether an operator can keep it from a tenant. */
export function canBeSwitchedOff(name: CapabilityName): boolean {
  return !INHERENT.includes(name);
}

/** The capability that a WIT interface of `alga:extension` needs, by the interface's bare name; undefined for `types`. */
export function capabilityOfInterface(interfaceName: string): CapabilityName | undefined {
  return CAPABILITY_NAMES.find((name) => capabilityEntry(name).interfaces.includes(interfaceName));
}

/** What leads out of the platform: a grant that names none opens none. */
const NAMED_ONE_BY_ONE: readonly string[] = ['hosts', 'routes'];

/** Whether a grant's scope allows a value. An absent key means the whole capability was granted; of hosts and routes, nothing. */
export function scopeAllows(scope: CapabilityScope, key: string, value: string): boolean {
  const allowed = scope[key];
  return allowed === undefined ? !NAMED_ONE_BY_ONE.includes(key) : allowed.includes(value);
}
