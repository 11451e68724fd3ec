import { capabilityOfInterface, isAlwaysGranted, type CapabilityName } from '../../core/capabilities.ts';
import { isPlatformError, PlatformError, type ErrorCode, type Issue } from '../../core/errors.ts';
import type { Check } from '../../core/progress.ts';
import { extensionInterface } from '../../core/world.ts';
import type { ComponentInspection } from './inspect-component.ts';
import { inspectInChild, type ComponentOptions } from './precompile.ts';

const MIB = 1024 * 1024;

export interface ComponentVerification {
  /** `component`, `imports`, `memory`, `wasi`, `rewind`, each once and in this order. */
  checks: Check[];
  /** Why the first required check failed. */
  fault?: PlatformError;
}

/** What its manifest says of a component. */
export interface Declared {
  capabilities: readonly { name: CapabilityName }[];
  limits: { memoryMb: number };
}

/** What is the component's own doing; anything else that goes wrong is not. */
const COMPONENT_FAULTS: readonly ErrorCode[] = ['COMPONENT_INVALID', 'WORLD_MISMATCH'];

/**
 * Every check of a component, which is inspected in a child process of its own. Of the manifest it sees what is right. Throws
 * COMPONENT_TOOL_CRASHED.
 */
export async function verifyComponent(
  component: Uint8Array,
  manifest: Declared | undefined,
  options: ComponentOptions,
): Promise<ComponentVerification> {
  let inspection: ComponentInspection;
  try {
    inspection = await inspectInChild(component, options);
  } catch (err) {
    if (!isPlatformError(err) || !COMPONENT_FAULTS.includes(err.code)) throw err;
    return {
      checks: [failed('component', true, err), ...notLookedAt('it is no component of the host world')],
      fault: err,
    };
  }
  const { findings, newInstancePerCall } = inspection;
  const tooMuch = manifest && memoryFault(inspection, manifest.limits.memoryMb);
  return {
    checks: [
      { name: 'component', result: 'passed', required: true },
      manifest === undefined
        ? skipped('imports', false, 'the manifest could not be read')
        : advice('imports', undeclared(inspection, manifest)),
      memoryCheck(inspection, manifest, tooMuch),
      advice(
        'wasi',
        findings.map((found) => ({
          path: 'entry.wasm',
          code: 'no_access',
          message: found.message,
          found: found.import,
        })),
      ),
      advice(
        'rewind',
        newInstancePerCall === undefined
          ? []
          : [{ path: 'entry.wasm', code: 'not_rewindable', message: newInstancePerCall }],
      ),
    ],
    ...(tooMuch && { fault: tooMuch }),
  };
}

/** The checks of a component that nobody looked at. */
export function componentNotLookedAt(reason: string): Check[] {
  return [skipped('component', true, reason), ...notLookedAt(reason)];
}

function notLookedAt(reason: string): Check[] {
  return [
    skipped('imports', false, reason),
    skipped('memory', true, reason),
    skipped('wasi', false, reason),
    skipped('rewind', false, reason),
  ];
}

/** What is imported and not granted is denied when it is called. */
function undeclared({ imports }: ComponentInspection, { capabilities }: Declared): Issue[] {
  const declared = new Set(capabilities.map(({ name }) => name));
  return imports.flatMap((name): Issue[] => {
    const interfaceName = extensionInterface(name);
    const capability = interfaceName === undefined ? undefined : capabilityOfInterface(interfaceName);
    if (capability === undefined || isAlwaysGranted(capability) || declared.has(capability)) return [];
    return [
      {
        path: 'capabilities',
        code: 'undeclared',
        message: `${name} is imported, but "capabilities" does not have ${capability}: calls to it are denied`,
        expected: capability,
        found: JSON.stringify([...declared]),
        fix: `"capabilities": ${JSON.stringify([...declared, capability])}`,
      },
    ];
  });
}

function memoryCheck(
  { memoryBytes }: ComponentInspection,
  manifest: Declared | undefined,
  fault: PlatformError | undefined,
): Check {
  if (fault) return failed('memory', true, fault);
  if (manifest === undefined) return skipped('memory', true, 'the manifest could not be read');
  if (memoryBytes === undefined) return skipped('memory', true, 'precompiling it will tell');
  const detail = `${inMb(memoryBytes)} MB of ${manifest.limits.memoryMb} MB from the start`;
  return { name: 'memory', result: 'passed', required: true, detail };
}

/** A component that has more from the start than it may have could never be instantiated. */
function memoryFault({ memoryBytes = 0 }: ComponentInspection, memoryMb: number): PlatformError | undefined {
  if (memoryBytes <= memoryMb * MIB) return undefined;
  const needed = inMb(memoryBytes);
  const message = `the component has ${needed} MB of memory from the start, "limits.memoryMb" allows ${memoryMb}`;
  const issue: Issue = {
    path: 'limits.memoryMb',
    code: 'memory',
    message,
    expected: `at least ${needed}`,
    found: String(memoryMb),
    fix: `"limits": { "memoryMb": ${needed} }`,
  };
  return new PlatformError('COMPONENT_INVALID', message, { issues: [issue] });
}

function inMb(bytes: number): number {
  return Math.ceil(bytes / MIB);
}

function failed(name: string, required: boolean, { message, issues }: PlatformError): Check {
  const whole: Issue = { path: 'entry.wasm', code: 'component', message };
  return { name, result: 'failed', required, detail: message, issues: issues.length > 0 ? issues : [whole] };
}

function skipped(name: string, required: boolean, detail: string): Check {
  return { name, result: 'skipped', required, detail };
}

function advice(name: string, issues: readonly Issue[]): Check {
  if (issues.length === 0) return { name, result: 'passed', required: false };
  return {
    name,
    result: 'failed',
    required: false,
    detail: issues.map(({ message }) => message).join('; '),
    issues,
  };
}
