/**
 * The functions of every interface that world `runner` of `wit/` imports, and whether each answers with a `result`.
 * platform/component/world.test.ts compares this table with the WIT.
 */
export const WORLD = {
  context: { 'get-context': 'value' },
  'context-v2': { 'get-config': 'value', 'get-trigger': 'value' },
  secrets: { get: 'result', 'list-keys': 'value' },
  http: { fetch: 'result' },
  storage: { get: 'result', put: 'result', delete: 'result', 'list-entries': 'result' },
  'storage-v2': {
    get: 'result',
    put: 'result',
    delete: 'result',
    'list-entries': 'result',
    increment: 'result',
    'get-many': 'result',
    'put-many': 'result',
    'delete-many': 'result',
  },
  logging: { 'log-info': 'value', 'log-warn': 'value', 'log-error': 'value' },
  metrics: { count: 'value', observe: 'value' },
  random: { 'get-random-bytes': 'value', 'get-random-u64': 'value' },
  'ui-proxy': { 'call-route': 'result' },
  user: { 'get-user': 'result' },
  'user-v2': { 'get-user': 'result' },
  scheduler: {
    'list-schedules': 'result',
    'get-schedule': 'result',
    'create-schedule': 'value',
    'update-schedule': 'value',
    'delete-schedule': 'value',
    'get-endpoints': 'result',
  },
  invoicing: { 'create-manual-invoice': 'value' },
  clients: { 'list-clients': 'result', 'get-client': 'result' },
  services: { 'list-services': 'result', 'get-service': 'result' },
} as const satisfies Record<string, Record<string, 'value' | 'result'>>;

const PACKAGE = 'alga:extension/';

/** The interface that holds types alone: imported by every component, with nothing to call. */
export const TYPES_INTERFACE = 'types';

/** The one interface that the sandbox answers by itself, at once and without a capability, as it does those of WASI. */
export const RANDOM_INTERFACE = 'random';

/** Functions of an interface of `alga:extension` by its bare name; undefined if the world has no such interface. */
export function worldFunctions(
  interfaceName: string,
): Readonly<Record<string, 'value' | 'result'>> | undefined {
  return Object.hasOwn(WORLD, interfaceName) ? WORLD[interfaceName as keyof typeof WORLD] : undefined;
}

/** `storage` of `alga:extension/storage@1.0.0`, with or without the version; undefined for an import of another package. */
export function extensionInterface(importName: string): string | undefined {
  return importName.startsWith(PACKAGE) ? withoutVersion(importName).slice(PACKAGE.length) : undefined;
}

/** `wasi:io/poll` of `wasi:io/poll@0.2.12`. */
export function withoutVersion(importName: string): string {
  return importName.replace(/@.*$/, '');
}

/** The name jco's glue gives a WIT function: `listEntries` of `list-entries`. */
export function camelCase(witName: string): string {
  return witName.replace(/-([a-z0-9])/g, (_dash, letter: string) => letter.toUpperCase());
}

/** What an extension finds behind a WASI interface it imports: the real thing, or an answer that gives it no access. */
export type WasiAccess = 'served' | 'no-access';

/** Every WASI interface (0.2, any patch version) that the engine answers. */
export const WASI_INTERFACES: Readonly<Record<string, WasiAccess>> = {
  'wasi:cli/environment': 'served',
  'wasi:cli/exit': 'served',
  'wasi:cli/stdin': 'served',
  'wasi:cli/stdout': 'served',
  'wasi:cli/stderr': 'served',
  'wasi:cli/terminal-input': 'served',
  'wasi:cli/terminal-output': 'served',
  'wasi:cli/terminal-stdin': 'served',
  'wasi:cli/terminal-stdout': 'served',
  'wasi:cli/terminal-stderr': 'served',
  'wasi:clocks/monotonic-clock': 'served',
  'wasi:clocks/wall-clock': 'served',
  'wasi:io/error': 'served',
  'wasi:io/poll': 'served',
  'wasi:io/streams': 'served',
  'wasi:random/random': 'served',
  'wasi:random/insecure': 'served',
  'wasi:random/insecure-seed': 'served',
  'wasi:filesystem/types': 'no-access',
  'wasi:filesystem/preopens': 'no-access',
  'wasi:sockets/network': 'no-access',
  'wasi:sockets/instance-network': 'no-access',
  'wasi:sockets/ip-name-lookup': 'no-access',
  'wasi:sockets/tcp': 'no-access',
  'wasi:sockets/tcp-create-socket': 'no-access',
  'wasi:sockets/udp': 'no-access',
  'wasi:sockets/udp-create-socket': 'no-access',
  'wasi:http/types': 'no-access',
  'wasi:http/outgoing-handler': 'no-access',
};

/** Imports that may wait: the guest is suspended (JSPI) until the host's promise settles. Names as jco takes them. */
export const SUSPENDING_IMPORTS: readonly string[] = [
  ...Object.entries(WORLD)
    .filter(([name]) => name !== RANDOM_INTERFACE)
    .flatMap(([name, functions]) => Object.keys(functions).map((fn) => `${PACKAGE}${name}#${fn}`)),
  'wasi:io/poll#poll',
  'wasi:io/poll#[method]pollable.block',
];
