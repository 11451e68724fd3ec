import { componentWit } from '@bytecodealliance/jco-transpile/wasm-tools';
import { capabilityOfInterface, type CapabilityName } from '../../core/capabilities.ts';
import { PlatformError, type Issue } from '../../core/errors.ts';
import {
  extensionInterface,
  TYPES_INTERFACE,
  WASI_INTERFACES,
  withoutVersion,
  worldFunctions,
} from '../../core/world.ts';
import { memoryMinimumBytes } from '../../core/wasm/limit-memory.ts';
import { planComponent, type PlannedComponent } from './plan-component.ts';

export interface ComponentFinding {
  /** The import it is about, e.g. `wasi:sockets/tcp@0.2.12`. */
  import: string;
  message: string;
}

export interface ComponentInspection {
  /** Interface names as the component imports them, versions included. */
  imports: string[];
  exports: string[];
  /** What the imports need; calling one that is not granted is denied at run time. */
  capabilities: CapabilityName[];
  /** Advisory: none of them stops a publish. */
  findings: ComponentFinding[];
  /** Advisory: why calls get new instances; absent where instances are rewound. */
  newInstancePerCall?: string | undefined;
  /** Memory that it has from the start; absent where only jco can tell its core modules apart. */
  memoryBytes?: number | undefined;
}

/** Every interface has a version of WASI 0.2, whatever the patch. */
const WASI_VERSION = /@0\.2\.\d+$/;
const HANDLER_TYPES = /^ {2}use alga:extension\/types(?:@\S+)?\.\{execute-request, execute-response\};$/m;
/** The same without `use`, as componentize-qjs leaves them; of the interface itself only what these records hold. */
const OWN_HANDLER_TYPES = [
  /^ {2}record execute-request \{\n {4}context: context-data,\n {4}http: http-request,\n {2}\}$/m,
  /^ {2}record execute-response \{\n {4}status: u16,\n {4}headers: list<http-header>,\n {4}body: option<list<u8>>,\n {2}\}$/m,
];
const OTHER_TYPES = /^ {2}\w+ (context-data|http-request|http-header)\b/m;
const HANDLER = /^handler: func\(\w+: execute-request\) -> execute-response$/;

/**
 * What a component asks for and offers. Throws COMPONENT_INVALID if it is none, WORLD_MISMATCH if it imports what the host world
 * lacks or does not export `handler`. CPU-heavy and in full control of hostile bytes: run it through precompile.ts.
 */
export async function inspectComponent(component: Uint8Array): Promise<ComponentInspection> {
  const wit = await witOf(component);
  const { imports, exports } = readWorld(wit);
  const hasHandler = namesHandlerTypes(wit) && exports.some((item) => HANDLER.test(item));
  const issues = [
    ...imports.filter((name) => !isServed(name)).map(unknownImport),
    ...(hasHandler ? [] : [NO_HANDLER]),
  ];
  if (issues.length > 0) {
    throw new PlatformError('WORLD_MISMATCH', issues.map(({ message }) => message).join('; '), { issues });
  }
  const planned = planComponent(component);
  const newInstancePerCall = whyNewInstances(planned);
  return {
    imports,
    exports: exports.map((item) => item.replace(/:? .*$/, '')),
    capabilities: capabilitiesOf(imports),
    findings: imports.filter(isWithoutAccess).map((name) => ({
      import: name,
      message: `${withoutVersion(name)} is imported: it runs, with no access`,
    })),
    ...(newInstancePerCall !== undefined && { newInstancePerCall }),
    ...('modules' in planned && { memoryBytes: memoryMinimumBytes(Object.values(planned.modules)) }),
  };
}

function whyNewInstances(planned: PlannedComponent): string | undefined {
  if ('unlinkable' in planned) {
    return `the component uses ${planned.unlinkable}, so every call gets a new instance, which holds its thread until it ends or its deadline has come`;
  }
  const { notRewindable } = planned.plan;
  return notRewindable === undefined
    ? undefined
    : `${notRewindable} changes what is neither memory nor a global, so every call that shares no instance gets a new one`;
}

function namesHandlerTypes(wit: string): boolean {
  return (
    HANDLER_TYPES.test(wit) ||
    (OWN_HANDLER_TYPES.every((record) => record.test(wit)) && !OTHER_TYPES.test(wit))
  );
}

const COMPONENT_HEADER = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

async function witOf(component: Uint8Array): Promise<string> {
  // The tools take a core module too, as one without a world.
  if (COMPONENT_HEADER.some((byte, at) => component[at] !== byte)) throw noComponent();
  try {
    return await componentWit(component);
  } catch (cause) {
    throw noComponent(cause);
  }
}

function noComponent(cause?: unknown): PlatformError {
  return new PlatformError(
    'COMPONENT_INVALID',
    'entry.wasm is not a WebAssembly component: componentize-js, cargo-component and wasm-tools make them',
    { cause },
  );
}

/** Imports and exports of the one world that the text of a component shows; an item within an inline interface is indented further. */
function readWorld(wit: string): { imports: string[]; exports: string[] } {
  const [, world] = /^world root \{\n(.*?)^\}/ms.exec(wit) ?? [];
  if (world === undefined) throw noComponent();
  const items = (keyword: string): string[] =>
    [...world.matchAll(new RegExp(`^ {2}${keyword} (.+?)(?:;| \\{)$`, 'gm'))].map(([, item = '']) => item);
  return { imports: items('import'), exports: items('export') };
}

function isServed(name: string): boolean {
  const interfaceName = extensionInterface(name);
  if (interfaceName !== undefined) {
    return interfaceName === TYPES_INTERFACE || worldFunctions(interfaceName) !== undefined;
  }
  return WASI_VERSION.test(name) && Object.hasOwn(WASI_INTERFACES, withoutVersion(name));
}

function isWithoutAccess(name: string): boolean {
  return WASI_INTERFACES[withoutVersion(name)] === 'no-access';
}

const NO_HANDLER: Issue = {
  path: 'entry.wasm',
  code: 'export',
  message:
    'the component does not export "handler: func(request: execute-request) -> execute-response": build it for world "runner" of the platform\'s wit/',
  expected: 'handler: func(request: execute-request) -> execute-response',
  fix: 'export handler: func(request: execute-request) -> execute-response;',
};

function unknownImport(name: string): Issue {
  return {
    path: 'entry.wasm',
    code: 'import',
    message: `the component imports ${name}, which this platform does not provide: use the interfaces of alga:extension instead`,
    expected: 'interfaces of alga:extension and of WASI 0.2',
    found: name,
  };
}

function capabilitiesOf(imports: readonly string[]): CapabilityName[] {
  const names = imports.map((name) => {
    const interfaceName = extensionInterface(name);
    return interfaceName === undefined ? undefined : capabilityOfInterface(interfaceName);
  });
  return [...new Set(names.filter((name) => name !== undefined))];
}
