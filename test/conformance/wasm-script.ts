import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isPlatformError } from '../../core/errors.ts';
import { rewriteModules, type RewrittenModules } from '../../core/wasm/rewrite.ts';
import { markedPages, RewrittenHost, unmarkedChanges } from '../support/rewritten-host.ts';
import { ExactCalls, type ExactValue } from './exact-calls.ts';

interface Action {
  type: 'invoke' | 'get';
  module?: string;
  field: string;
  args?: ExactValue[];
}

/** A command of a script of the specification's test suite, as `wasm-tools json-from-wast` leaves it. */
interface Command {
  type: string;
  line: number;
  filename?: string;
  module_type?: string;
  name?: string;
  as?: string;
  action?: Action;
  expected?: ExactValue[];
  instance?: string;
  module?: string;
}

export interface ScriptReport {
  modules: number;
  /** How many modules the rewriter refused, by what for. */
  refused: Map<string, number>;
  /** Calls and instantiations whose outcome was the same. */
  same: number;
  /** Calls that had the same outcome in a rewound instance. */
  replayed: number;
  differences: string[];
}

type Instantiate = (module: WebAssembly.Module, imports: WebAssembly.Imports) => WebAssembly.Instance;
type Outcome = string;
/** All memories and tables of the suite may be as large as they like. */
const MEMORY_MB = 4096;

/** Runs a script twice, with its modules as they are and rewritten, and compares every outcome to the bit. */
export function runScript(file: string, spectest: Uint8Array): ScriptReport {
  const { commands } = JSON.parse(readFileSync(file, 'utf8')) as { commands: Command[] };
  return new ScriptRun(path.dirname(file), spectest).run(commands);
}

class ScriptRun {
  readonly #folder: string;
  readonly #spectest: Uint8Array;
  readonly #original: World;
  readonly #rewritten: World;
  readonly #definitions = new Map<string | undefined, Uint8Array>();
  readonly #report: ScriptReport = { modules: 0, refused: new Map(), same: 0, replayed: 0, differences: [] };
  /** What was done with the newest module, if nothing but itself can have part in it. */
  #alone:
    | { bytes: Uint8Array; actions: { action: Action; expected: ExactValue[]; outcome: Outcome }[] }
    | undefined;

  constructor(folder: string, spectest: Uint8Array) {
    this.#folder = folder;
    this.#spectest = spectest;
    this.#original = new World((module, imports) => new WebAssembly.Instance(module, imports), spectest);
    this.#rewritten = new World(new RewrittenHost().instantiate, rewrite(spectest).bytes);
  }

  run(commands: readonly Command[]): ScriptReport {
    for (const command of commands) {
      try {
        this.#do(command);
      } catch (error) {
        this.#differ(command.line, `the run broke off: ${String((error as Error).stack)}`);
      }
    }
    this.#replay();
    return this.#report;
  }

  #do(command: Command): void {
    const { type, line, filename = '', name, as = '', action, expected = [] } = command;
    const isBinary = command.module_type !== 'text';
    const read = (): Uint8Array => readFileSync(path.join(this.#folder, filename));
    switch (type) {
      case 'module':
        if (isBinary) this.#instantiate(line, read(), name);
        break;
      case 'module_definition':
        if (isBinary) this.#definitions.set(name, read());
        break;
      case 'module_instance': {
        const bytes = this.#definitions.get(command.module);
        if (bytes) this.#instantiate(line, bytes, command.instance);
        break;
      }
      case 'assert_unlinkable':
      case 'assert_uninstantiable':
        if (isBinary) this.#instantiate(line, read(), undefined, false);
        break;
      case 'assert_invalid':
      case 'assert_malformed':
        if (isBinary) this.#expectRefusal(line, read());
        break;
      case 'register':
        this.#original.register(as, name);
        this.#rewritten.register(as, name);
        this.#alone = undefined;
        break;
      default:
        if (action) this.#act(line, action, expected);
    }
  }

  #instantiate(line: number, bytes: Uint8Array, name: string | undefined, keep = true): void {
    if (keep) this.#replay();
    this.#report.modules += 1;
    let rewritten: Uint8Array | undefined;
    let alone = false;
    try {
      const done = rewrite(bytes);
      rewritten = done.bytes;
      alone = done.rewindable.yes;
    } catch (error) {
      if (!isPlatformError(error)) throw error;
      const what = reasonOf(error.details, error.message);
      this.#report.refused.set(what, (this.#report.refused.get(what) ?? 0) + 1);
    }
    if (rewritten === undefined) {
      this.#original.forget(name);
      this.#rewritten.forget(name);
      return;
    }
    const outcome = this.#original.instantiate(bytes, name, keep);
    const other = this.#rewritten.instantiate(rewritten, name, keep);
    this.#compare(line, 'instantiate', outcome, other);
    const imports = WebAssembly.Module.imports(new WebAssembly.Module(bytes));
    alone &&= imports.every(({ module, kind }) => module === 'spectest' && kind === 'function');
    if (keep && alone && outcome === 'ok') this.#alone = { bytes: rewritten, actions: [] };
  }

  #act(line: number, action: Action, expected: ExactValue[]): void {
    if (!this.#rewritten.has(action.module)) return;
    const outcome = this.#original.act(action, expected);
    this.#compare(line, action.field, outcome, this.#rewritten.act(action, expected));
    if (action.module === undefined) this.#alone?.actions.push({ action, expected, outcome });
    else this.#alone = undefined;
  }

  #compare(line: number, what: string, original: Outcome, rewritten: Outcome): void {
    if (original === rewritten) this.#report.same += 1;
    else this.#differ(line, `${what}: ${original}, rewritten ${rewritten}`);
  }

  #differ(line: number, what: string): void {
    this.#report.differences.push(`${path.basename(this.#folder)}:${line} ${what}`);
  }

  #expectRefusal(line: number, bytes: Uint8Array): void {
    // Some of what one version of the specification refuses a later one allows.
    if (WebAssembly.validate(bytes)) return;
    try {
      rewrite(bytes);
      this.#differ(line, 'a module that is not valid was rewritten');
    } catch (error) {
      if (!isPlatformError(error)) throw error;
      this.#report.same += 1;
    }
  }

  /** The same calls twice more in an instance of its own, rewound in between: outcomes, marks, memory and fuel. */
  #replay(): void {
    const alone = this.#alone;
    this.#alone = undefined;
    if (!alone || alone.actions.length === 0) return;
    const host = new RewrittenHost();
    const world = new World(host.instantiate, rewrite(this.#spectest).bytes);
    world.instantiate(alone.bytes, undefined, true);
    host.save();
    const round = (): number => {
      const before = host.fuelUsed;
      for (const { action, expected, outcome } of alone.actions) {
        const again = world.act(action, expected);
        if (again === outcome) this.#report.replayed += 1;
        else this.#differ(0, `again ${action.field}: ${outcome}, rewound ${again}`);
      }
      return host.fuelUsed - before;
    };
    const first = round();
    const isDeep = alone.actions.some(({ outcome }) => outcome.includes('call stack'));
    for (const { memory, map, snapshot } of host.memories) {
      const wrong = unmarkedChanges(snapshot, new Uint8Array(memory.buffer), markedPages(map));
      if (wrong.length > 0) this.#differ(0, `pages changed without a mark: ${wrong.join()}`);
    }
    host.rewind();
    for (const { memory, snapshot } of host.memories) {
      if (unmarkedChanges(snapshot, new Uint8Array(memory.buffer), []).length > 0)
        this.#differ(0, 'memory is not what it was');
    }
    // Memory that was grown stays there for the next call, so that addresses behind the guest's memory do not trap.
    const hasSlack = host.memories.some(({ memory, snapshot }) => memory.buffer.byteLength > snapshot.length);
    if (hasSlack && alone.actions.some(({ outcome }) => outcome.includes('out of bounds'))) return;
    const second = round();
    if (first !== second && !isDeep) this.#differ(0, `fuel ${first}, rewound ${second}`);
  }
}

function rewrite(bytes: Uint8Array): { bytes: Uint8Array; rewindable: RewrittenModules['rewindable'] } {
  const { modules, rewindable } = rewriteModules({ module: bytes }, { memoryMb: MEMORY_MB });
  return { bytes: modules['module'] ?? new Uint8Array(), rewindable };
}

function reasonOf({ opcode, proposal }: Record<string, unknown>, message: string): string {
  if (typeof proposal !== 'string') return message;
  return typeof opcode === 'string' ? `${proposal}: opcode ${opcode}` : proposal;
}

/** The instances of a script, with its modules as they are or rewritten. */
class World {
  readonly #instantiate: Instantiate;
  readonly #registered = new Map<string, Record<string, unknown>>();
  readonly #named = new Map<string, WebAssembly.Instance | undefined>();
  readonly #calls = new ExactCalls();
  #current: WebAssembly.Instance | undefined;

  constructor(instantiate: Instantiate, spectest: Uint8Array) {
    this.#instantiate = instantiate;
    this.#registered.set('spectest', instantiate(new WebAssembly.Module(spectest), {}).exports);
  }

  instantiate(bytes: Uint8Array, name: string | undefined, keep: boolean): Outcome {
    const attempt = (): WebAssembly.Instance =>
      this.#instantiate(new WebAssembly.Module(bytes), Object.fromEntries(this.#registered));
    if (keep) this.forget(name);
    return outcomeOf(() => {
      const instance = attempt();
      if (keep) this.#current = instance;
      if (keep && name !== undefined) this.#named.set(name, instance);
      return 'ok';
    });
  }

  /** A module that was refused takes the place of the one before. */
  forget(name: string | undefined): void {
    this.#current = undefined;
    if (name !== undefined) this.#named.delete(name);
  }

  has(name: string | undefined): boolean {
    return this.#find(name) !== undefined;
  }

  register(as: string, name: string | undefined): void {
    const instance = this.#find(name);
    if (instance) this.#registered.set(as, instance.exports);
    else this.#registered.delete(as);
  }

  act({ type, module, field, args = [] }: Action, expected: readonly ExactValue[]): Outcome {
    const exported = this.#find(module)?.exports[field];
    return outcomeOf(() => {
      if (type === 'get') return describe((exported as WebAssembly.Global).value);
      const results = this.#calls.call(exported as (...args: unknown[]) => unknown, args, expected);
      return results.map(describe).join();
    });
  }

  #find(name: string | undefined): WebAssembly.Instance | undefined {
    return name === undefined ? this.#current : this.#named.get(name);
  }
}

function outcomeOf(act: () => string): Outcome {
  try {
    return act();
  } catch (error) {
    const { name, message } = error as Error;
    // What does not link names limits, which are others in a rewritten module.
    return name === 'LinkError' ? name : `${name}: ${message}`;
  }
}

function describe(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  return Object.is(value, -0) ? '-0' : String(value);
}
