import { z } from 'zod';

// The subset of JSON Schema that settings may use: flat, and without anything that costs an author's imagination to evaluate
// (no patterns, no references, no combinators).

const MAX_PROPERTIES = 100;
const MAX_TEXT = 10_000;

/** A settings or secret name. */
export const settingName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, 'must begin with a letter and have up to 64 of A-Z a-z 0-9 _ -');

const described = { title: z.string().max(200).optional(), description: z.string().max(2000).optional() };
const length = z.int().min(0).max(MAX_TEXT);
const uniqueStrings = z
  .array(z.string().max(MAX_TEXT))
  .min(1)
  .max(200)
  .refine((values) => new Set(values).size === values.length, 'has a value twice; remove one');

const stringRules = {
  type: z.literal('string'),
  enum: uniqueStrings.optional(),
  minLength: length.optional(),
  maxLength: length.optional(),
  format: z.enum(['uri', 'email', 'date']).optional(),
};
const numberRules = {
  enum: z.array(z.number()).min(1).max(200).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  default: z.number().optional(),
};

const stringProperty = z.strictObject({ ...stringRules, ...described, default: z.string().optional() });
const numberProperty = z.strictObject({ type: z.literal('number'), ...numberRules, ...described });
const integerProperty = z.strictObject({ type: z.literal('integer'), ...numberRules, ...described });
const booleanProperty = z.strictObject({
  type: z.literal('boolean'),
  ...described,
  default: z.boolean().optional(),
});
const arrayProperty = z.strictObject({
  type: z.literal('array'),
  items: z.strictObject({ ...stringRules, ...described }),
  maxItems: z.int().min(0).max(1000).optional(),
  ...described,
  default: z.array(z.string()).optional(),
});

const property = z
  .discriminatedUnion(
    'type',
    [stringProperty, numberProperty, integerProperty, booleanProperty, arrayProperty],
    { error: 'needs "type": string, number, integer, boolean or array (of strings)' },
  )
  .superRefine((rules, ctx) => {
    if (rules.default === undefined) return;
    const parsed = settingValue(rules).safeParse(rules.default, { reportInput: true });
    for (const issue of parsed.error?.issues ?? []) {
      ctx.addIssue({
        code: 'custom',
        path: ['default', ...issue.path],
        message: `does not obey the property's own rules: ${issue.message}`,
        params: { code: 'default_invalid' },
      });
    }
  });
export type SettingProperty = z.output<typeof property>;

/** What `settings` of a manifest holds. Members beside those declared are always refused, whatever it says. */
export const settingsSchema = z
  .strictObject({
    type: z.literal('object'),
    ...described,
    properties: z
      .record(settingName, property)
      .refine((all) => Object.keys(all).length <= MAX_PROPERTIES, `may have ${MAX_PROPERTIES} properties`),
    required: z.array(z.string()).optional(),
    additionalProperties: z
      .literal(false, 'must be false or absent: unknown settings are refused')
      .optional(),
  })
  .superRefine((schema, ctx) => {
    for (const [at, name] of (schema.required ?? []).entries()) {
      if (Object.hasOwn(schema.properties, name)) continue;
      ctx.addIssue({
        code: 'custom',
        path: ['required', at],
        message: `names ${JSON.stringify(name)}, which is not in "properties"; add it there`,
        params: { code: 'unknown_property' },
      });
    }
  });
export type SettingsSchema = z.output<typeof settingsSchema>;

export type SettingValue = string | number | boolean | string[];

/** The schema of one setting's value, its default left aside. */
export function settingValue(rules: SettingProperty): z.ZodType<SettingValue> {
  switch (rules.type) {
    case 'string':
      return textValue(rules);
    case 'number':
    case 'integer':
      return numberValue(rules);
    case 'boolean':
      return z.boolean();
    case 'array':
      return z.array(textValue(rules.items)).max(rules.maxItems ?? 1000);
  }
}

type TextRules = Pick<z.output<typeof stringProperty>, 'enum' | 'minLength' | 'maxLength' | 'format'>;

function textValue(rules: TextRules): z.ZodType<string> {
  let value = z
    .string()
    .min(rules.minLength ?? 0)
    .max(rules.maxLength ?? MAX_TEXT);
  if (rules.enum) value = value.refine((text) => rules.enum?.includes(text), oneOf(rules.enum));
  switch (rules.format) {
    case 'uri':
      return value.refine((text) => URL.canParse(text), 'must be a URI');
    case 'email':
      return value.refine((text) => z.email().safeParse(text).success, 'must be an e-mail address');
    case 'date':
      return value.refine(
        (text) => z.iso.date().safeParse(text).success,
        'must be a date such as 2026-01-31',
      );
    case undefined:
      return value;
  }
}

type NumberRules = z.output<typeof numberProperty> | z.output<typeof integerProperty>;

function numberValue(rules: NumberRules): z.ZodType<number> {
  let value = z.number();
  if (rules.type === 'integer') value = value.int();
  if (rules.minimum !== undefined) value = value.min(rules.minimum);
  if (rules.maximum !== undefined) value = value.max(rules.maximum);
  return rules.enum ? value.refine((number) => rules.enum?.includes(number), oneOf(rules.enum)) : value;
}

function oneOf(values: readonly (string | number)[]): string {
  return `must be one of ${values.map((value) => JSON.stringify(value)).join(', ')}`;
}
