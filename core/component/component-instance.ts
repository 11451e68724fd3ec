import { PlatformError } from '../errors.ts';
import { BinaryReader, malformed } from '../wasm/binary.ts';
import { withoutVersion } from '../world.ts';
import { at, CoreSpaces } from './core-spaces.ts';
import {
  entryOf,
  readCount,
  readExternDesc,
  readExternName,
  readInstanceType,
  readName,
  readTypeDefinition,
  readVector,
  UnlinkableError,
  type TypeEntry,
  type TypeTable,
} from './decode-types.ts';
import type { FuncType, HostFunction, Lift, Lower, Step } from './plan.ts';
import { readTaskFunction } from './task-functions.ts';

const HEADER_BYTES = 8;
/** Toolchains put a handful together; each may hold many more. */
const MAX_COMPONENT_INSTANCES = 32;
/** Bytes of types that are read again for each import of them, and parameters that a plan holds for each function: real ones come to thousands. */
const MAX_EXPANDED = 1_000_000;

/** As in `sort`. */
const SORT = { core: 0x00, func: 0x01, type: 0x03, component: 0x04, instance: 0x05 } as const;

/** Those that a plan cannot say, by their codes. */
const CANONICAL_OPTIONS: Readonly<Record<number, string>> = {
  0x01: 'strings that are not UTF-8',
  0x02: 'strings that are not UTF-8',
  0x06: 'asynchronous functions',
};

/** A function of the host, or one that a component lifts. */
type Func = { host: HostFunction; type: FuncType } | { lift: Lift; type: FuncType };
type Instance = ReadonlyMap<string, Item>;
/** What a component instance is given, and gives. */
type Item = { func: Func } | { type: TypeEntry } | { instance: Instance } | { component: Definition };
/** A component within another, which may look at the index spaces around it. */
interface Definition {
  body: Uint8Array;
  outer: ComponentInstance;
}

/** What all component instances of a component add to. */
export interface Gathered {
  modules: Uint8Array[];
  table: TypeTable;
  lowers: Lower[];
  steps: Step[];
  instances: number;
  /** How much more was read or written than the component has bytes. */
  expanded: number;
}

/** The index spaces of one instance of a component, which fill section by section. */
export class ComponentInstance {
  readonly #gathered: Gathered;
  readonly #given: Instance | undefined;
  readonly #outer: ComponentInstance | undefined;
  readonly #handles: number;
  readonly #core: CoreSpaces;
  readonly #types: TypeEntry[] = [];
  readonly #components: Definition[] = [];
  readonly #instances: Instance[] = [];
  readonly #funcs: Func[] = [];
  readonly #exports = new Map<string, Item>();

  /** Without `given` it is the outermost, which the host gives what it imports. */
  constructor(gathered: Gathered, given?: Instance, outer?: ComponentInstance) {
    this.#gathered = gathered;
    this.#given = given;
    this.#outer = outer;
    this.#handles = gathered.instances;
    this.#core = new CoreSpaces(gathered.modules, gathered.steps);
    gathered.instances += 1;
    if (gathered.instances > MAX_COMPONENT_INSTANCES) {
      throw new UnlinkableError(`more than ${MAX_COMPONENT_INSTANCES} component instances`);
    }
  }

  /** Answers what it exports. */
  read(component: Uint8Array): Instance {
    const reader = new BinaryReader(component);
    reader.take(HEADER_BYTES);
    while (!reader.done) {
      const id = reader.byte();
      this.#section(id, reader.take(reader.u32()));
    }
    return this.#exports;
  }

  #section(id: number, body: Uint8Array): void {
    if (id === 0) return;
    if (id === 1) {
      this.#core.addModule(body);
      return;
    }
    if (id === 4) {
      this.#components.push({ body, outer: this });
      return;
    }
    const reader = new BinaryReader(body);
    for (let left = readCount(reader); left > 0; left -= 1) this.#item(id, reader);
    if (!reader.done) throw malformed('a section is longer than its items');
  }

  #item(section: number, reader: BinaryReader): void {
    switch (section) {
      case 2:
        this.#core.readInstance(reader);
        return;
      case 5:
        this.#instances.push(this.#readInstance(reader));
        return;
      case 6:
        this.#readAlias(reader);
        return;
      case 7:
        this.#types.push(readTypeDefinition(reader, this.#types, this.#gathered.table));
        return;
      case 8:
        this.#readCanon(reader);
        return;
      case 10:
        this.#readImport(reader);
        return;
      case 11:
        this.#readExport(reader);
        return;
      default:
        throw new UnlinkableError(`a section of kind ${section}`);
    }
  }

  #readInstance(reader: BinaryReader): Instance {
    if (reader.byte() === 0x01) {
      return new Map(readVector(reader, () => [readExternName(reader), this.#readItem(reader)]));
    }
    const { body, outer } = at(this.#components, reader.u32(), 'component');
    const given = new Map(readVector(reader, () => [readName(reader), this.#readItem(reader)]));
    return new ComponentInstance(this.#gathered, given, outer).read(body);
  }

  #readItem(reader: BinaryReader): Item {
    return this.#itemOf(reader.byte(), reader.u32());
  }

  #itemOf(sort: number, index: number): Item {
    switch (sort) {
      case SORT.func:
        return { func: at(this.#funcs, index, 'function') };
      case SORT.type:
        return { type: entryOf(this.#types, index) };
      case SORT.component:
        return { component: at(this.#components, index, 'component') };
      case SORT.instance:
        return { instance: at(this.#instances, index, 'instance') };
      default:
        throw new UnlinkableError(`an item of sort ${sort}`);
    }
  }

  /** Gives an item the next index of its sort. */
  #add(item: Item): void {
    if ('func' in item) this.#funcs.push(item.func);
    else if ('type' in item) this.#types.push(item.type);
    else if ('instance' in item) this.#instances.push(item.instance);
    else this.#components.push(item.component);
  }

  #readImport(reader: BinaryReader): void {
    const name = readExternName(reader);
    const desc = readExternDesc(reader);
    if (this.#given) {
      const item = this.#given.get(name);
      if (!item) throw malformed(`a component is not given "${name}"`);
      this.#add(item);
      return;
    }
    if (desc.kind === 'type') {
      this.#types.push(entryOf(this.#types, desc.type));
      return;
    }
    if (desc.kind !== 'instance') throw new UnlinkableError(`an import of kind ${desc.kind}`);
    const type = entryOf(this.#types, desc.type);
    if (type.kind !== 'instance') throw malformed('an instance is imported with another type');
    const interfaceName = withoutVersion(name);
    const reading = new BinaryReader(type.body);
    const declared = readInstanceType(reading, type.scope, interfaceName, this.#gathered.table);
    this.#expand(reading.position);
    this.#instances.push(
      new Map(
        [...declared].map(([member, entry]): [string, Item] => [
          member,
          entry.kind === 'func'
            ? { func: { host: { interface: interfaceName, name: member }, type: entry.type } }
            : { type: entry },
        ]),
      ),
    );
  }

  #expand(by: number): void {
    this.#gathered.expanded += by;
    if (this.#gathered.expanded > MAX_EXPANDED) {
      throw new PlatformError(
        'COMPONENT_INVALID',
        'the component imports the same types, or lowers the same functions, too many times: import and lower each once',
        { details: { maximum: MAX_EXPANDED } },
      );
    }
  }

  #readAlias(reader: BinaryReader): void {
    const sort = reader.byte();
    const coreSort = sort === SORT.core ? reader.byte() : undefined;
    const target = reader.byte();
    if (target === 0x02) {
      this.#aliasOuter(sort, reader.u32(), reader.u32());
      return;
    }
    if (coreSort !== undefined) {
      this.#core.readAlias(coreSort, reader);
      return;
    }
    const instance = at(this.#instances, reader.u32(), 'instance');
    const item = instance.get(readName(reader));
    if (!item) throw malformed('an alias of something that is not exported');
    this.#add(item);
  }

  #aliasOuter(sort: number, levels: number, index: number): void {
    const from = this.#around(levels);
    if (!from || (sort !== SORT.type && sort !== SORT.component)) {
      throw new UnlinkableError('an alias from beyond the component');
    }
    this.#add(from.#itemOf(sort, index));
  }

  #around(levels: number): ComponentInstance | undefined {
    if (levels === 0) return this;
    const outer = this.#outer;
    return outer ? outer.#around(levels - 1) : undefined;
  }

  #readCanon(reader: BinaryReader): void {
    const kind = reader.byte();
    if (kind === 0x00 || kind === 0x01) {
      reader.byte();
      const index = reader.u32();
      const options = this.#readOptions(reader);
      if (kind === 0x00) this.#lift(index, options, reader.u32());
      else this.#lower(at(this.#funcs, index, 'function'), options);
      return;
    }
    const task = readTaskFunction(kind, reader);
    if (task) {
      this.#core.addFunction({ ...task, handles: this.#handles });
      return;
    }
    if (kind !== 0x03) throw new UnlinkableError(`a canonical function of kind ${kind}`);
    const entry = entryOf(this.#types, reader.u32());
    if (entry.kind !== 'resource') throw malformed('what is dropped is no resource');
    this.#core.addFunction({ drop: entry.resource, handles: this.#handles });
  }

  #readOptions(reader: BinaryReader): Pick<Lift, 'memory' | 'realloc' | 'postReturn'> {
    const options: Pick<Lift, 'memory' | 'realloc' | 'postReturn'> = {};
    for (let left = readCount(reader); left > 0; left -= 1) {
      const kind = reader.byte();
      if (kind === 0x03) options.memory = this.#core.memory(reader.u32());
      else if (kind === 0x04) options.realloc = this.#core.func(reader.u32());
      else if (kind === 0x05) options.postReturn = this.#core.func(reader.u32());
      else if (kind !== 0x00)
        throw new UnlinkableError(CANONICAL_OPTIONS[kind] ?? `a canonical option of kind ${kind}`);
    }
    return options;
  }

  #lift(index: number, options: Pick<Lift, 'memory' | 'realloc' | 'postReturn'>, typeIndex: number): void {
    const entry = entryOf(this.#types, typeIndex);
    if (entry.kind !== 'func') throw malformed('a function is lifted with a type that is none of functions');
    const { type } = entry;
    const lift = { type, function: this.#core.func(index), handles: this.#handles, ...options };
    this.#funcs.push({ lift, type });
  }

  #lower(func: Func, { memory, realloc }: Pick<Lift, 'memory' | 'realloc'>): void {
    this.#expand(1 + func.type.params.length);
    const lower: Lower = {
      type: func.type,
      target: 'lift' in func ? { lift: func.lift } : func.host,
      handles: this.#handles,
      ...(memory && { memory }),
      ...(realloc && { realloc }),
    };
    this.#core.addFunction({ lower: this.#gathered.lowers.push(lower) - 1 });
  }

  #readExport(reader: BinaryReader): void {
    const name = readExternName(reader);
    const item = this.#readItem(reader);
    if (reader.byte() === 0x01) readExternDesc(reader);
    this.#exports.set(name, item);
    this.#add(item); // an export is a new item of its index space
  }
}
