import { z } from 'zod';

export const PRIMITIVES = [
  'bool',
  's8',
  'u8',
  's16',
  'u16',
  's32',
  'u32',
  's64',
  'u64',
  'f32',
  'f64',
  'char',
  'string',
] as const;
export type Primitive = (typeof PRIMITIVES)[number];

const index = z.int().nonnegative();
const name = z.string();

/** A type of the component model: a primitive by its name, or a definition by its index in `types`. */
const valType = z.union([z.enum(PRIMITIVES), index]);
export type ValType = z.infer<typeof valType>;

const names = z.array(name).max(100_000);
/** `null` where a case has no payload; `resource` is an index in `resources`. */
const typeDef = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('record'), fields: z.array(z.tuple([name, valType])) }),
  z.strictObject({ kind: z.literal('variant'), cases: z.array(z.tuple([name, valType.nullable()])) }),
  z.strictObject({ kind: z.literal('list'), of: valType }),
  z.strictObject({ kind: z.literal('option'), of: valType }),
  z.strictObject({ kind: z.literal('tuple'), of: z.array(valType) }),
  z.strictObject({ kind: z.literal('flags'), names }),
  z.strictObject({ kind: z.literal('enum'), names }),
  z.strictObject({ kind: z.literal('result'), ok: valType.nullable(), err: valType.nullable() }),
  z.strictObject({ kind: z.literal('own'), resource: index }),
  z.strictObject({ kind: z.literal('borrow'), resource: index }),
]);
export type TypeDef = z.infer<typeof typeDef>;

const funcType = z.strictObject({ params: z.array(valType), result: valType.nullable() });
export type FuncType = z.infer<typeof funcType>;

/** An export of a core instance, by the step that makes the instance. */
const coreExport = z.strictObject({ instance: index, name });
export type CoreExport = z.infer<typeof coreExport>;

/** What language runtimes import for functions that are asynchronous, and call for others too. */
const taskFunction = z.enum(['context.get', 'context.set', 'waitable-set.new', 'waitable-set.drop', 'trap']);
export type TaskFunction = z.infer<typeof taskFunction>;

/** A core import: an export of an earlier instance, a host function lowered, what drops a handle of a resource, or one about the task. */
const coreImport = z.union([
  coreExport,
  z.strictObject({ lower: index }),
  z.strictObject({ drop: index, handles: index }),
  z.strictObject({ task: taskFunction, slot: index, handles: index }),
]);
export type CoreImport = z.infer<typeof coreImport>;

/** What one module name stands for in an instantiation: all exports of an earlier instance, or items by field. */
const coreNamespace = z.union([
  z.strictObject({ instance: index }),
  z.strictObject({ items: z.array(z.tuple([name, coreImport])) }),
]);
export type CoreNamespace = z.infer<typeof coreNamespace>;

/** One instantiation. Pairs and not objects, since names are the publisher's. */
const step = z.strictObject({ module: index, imports: z.array(z.tuple([name, coreNamespace])) });
export type Step = z.infer<typeof step>;

/** Where the values of a function lie; `handles` is the number of the table of the component instance it belongs to. */
const place = z.strictObject({
  memory: coreExport.optional(),
  realloc: coreExport.optional(),
  handles: index,
});

/** A function of a component, as others call it. */
const lift = place.extend({
  type: funcType,
  function: coreExport,
  postReturn: coreExport.optional(),
});
export type Lift = z.infer<typeof lift>;

/** A function of the host: its interface without the version, and its name as in the component, e.g. `[method]pollable.block`. */
const hostFunction = z.strictObject({ interface: name, name });
export type HostFunction = z.infer<typeof hostFunction>;

/** A function of the host, or of another component within this one, as core modules call it. */
const lower = place.extend({ type: funcType, target: z.union([hostFunction, z.strictObject({ lift })]) });
export type Lower = z.infer<typeof lower>;

/**
 * How a component's core modules are put together, and how values cross its border: all that an engine needs to run it without code
 * made for it. Plain JSON.
 */
export const linkPlan = z.strictObject({
  types: z.array(typeDef),
  /** Resources of the host, by the interface that declares them. */
  resources: z.array(z.strictObject({ interface: name, name })),
  lowers: z.array(lower),
  /** Component instances, each with handles of its own. */
  handleTables: index,
  /** In this order. */
  steps: z.array(step),
  handler: lift,
});
export type LinkPlan = z.infer<typeof linkPlan>;

/** A plan with what was found out about the core modules. */
export const linkedPlan = linkPlan.extend({
  /** Names of the core modules by the number that the steps have for them. */
  modules: z.array(name),
  /** Why memory and globals are not all that a call can change; absent where they are. */
  notRewindable: name.optional(),
});
export type LinkedPlan = z.infer<typeof linkedPlan>;
