import { z } from 'zod';
import { linkedPlan } from '../../core/component/plan.ts';
import { CAPABILITY_NAMES } from '../../core/capabilities.ts';
import { isErrorCode } from '../../core/errors.ts';

/** The child answers on a descriptor of its own, since libraries may print to standard output. */
export const ANSWER_DESCRIPTOR = 3;
/** Written there, before the answer, when the child has loaded all that it needs and turns to the component. */
export const BEGUN = Uint8Array.of(1);

/** What the WebAssembly tools of the child may use. */
const toolMemoryMb = z.int().positive();
const size = z.int().nonnegative();

export const childTask = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('inspect'), toolMemoryMb }),
  z.strictObject({ kind: z.literal('precompile'), toolMemoryMb, memoryMb: z.int().positive() }),
]);
export type ChildTask = z.infer<typeof childTask>;

/** What a publisher is told, and rows and histories keep. */
const said = z.string().transform((text) => text.slice(0, 1024));
const MAX_ISSUES = 100;
const MAX_DETAILS_CHARACTERS = 4096;

/** A child that a component took over can answer anything: the worker believes only what has this shape. */
export const childAnswer = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('inspected'),
    inspection: z.strictObject({
      imports: z.array(z.string()),
      exports: z.array(z.string()),
      capabilities: z.array(z.enum(CAPABILITY_NAMES)),
      findings: z.array(z.strictObject({ import: z.string(), message: z.string() })),
      newInstancePerCall: said.optional(),
      memoryBytes: size.optional(),
    }),
  }),
  z.strictObject({
    kind: z.literal('precompiled'),
    imports: z.array(z.string()),
    plan: linkedPlan.optional(),
    /** Size of the glue, whose bytes come first in the frame's body. */
    glue: size.optional(),
    /** Core modules, in the order of their bytes. */
    coreModules: z.array(z.strictObject({ name: z.string(), size })),
  }),
  z.strictObject({
    kind: z.literal('failed'),
    code: z.string().refine(isErrorCode),
    message: said,
    details: z
      .record(z.string(), z.unknown())
      .refine((details) => JSON.stringify(details).length <= MAX_DETAILS_CHARACTERS),
    issues: z
      .array(
        z.strictObject({
          path: said,
          code: said,
          message: said,
          expected: said.exactOptional(),
          found: said.exactOptional(),
          fix: said.exactOptional(),
        }),
      )
      .transform((issues) => issues.slice(0, MAX_ISSUES)),
  }),
]);
export type ChildAnswer = z.input<typeof childAnswer>;
