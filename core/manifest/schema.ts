import { z } from 'zod';
import { publisherSlug } from '../ids.ts';
import { isExactVersion, isWildcardVersion } from '../version.ts';
import { api, handlerName, timeoutMs } from './api.ts';
import { topic } from '../capability-scope.ts';
import { capabilityRequest } from './capability-request.ts';
import { settingName, settingsSchema } from './settings-schema.ts';
import { ui, uiFile } from './ui.ts';

const MANIFEST_LIMITS = {
  timeoutMs: 10_000,
  memoryMb: { default: 128, min: 16, max: 512 },
  responseBytes: { default: 6 * 1024 * 1024, max: 32 * 1024 * 1024 },
} as const;

const name = z
  .string()
  .max(100)
  .regex(
    /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/,
    'must be lower case words with "-", alone or in reverse-domain form: hello-world or com.example.hello',
  );

const publisher = z
  .string()
  .max(100)
  .regex(/^[^\p{C}]*$/u, 'must not have control characters')
  .refine((text) => publisherSlug(text) !== '', 'must have a letter a-z or a digit');

const version = z
  .string()
  .max(64)
  .refine(
    (text) => isExactVersion(text) || isWildcardVersion(text),
    'must be a version such as 1.2.3, 1.3.0-beta.1 or 1.2.* (for the next patch)',
  );

const limits = z.strictObject({
  timeoutMs: timeoutMs
    .default(MANIFEST_LIMITS.timeoutMs)
    .describe('Milliseconds of a call whose endpoint names no time of its own.'),
  memoryMb: z
    .int()
    .min(MANIFEST_LIMITS.memoryMb.min)
    .max(MANIFEST_LIMITS.memoryMb.max)
    .default(MANIFEST_LIMITS.memoryMb.default)
    .describe('MiB of memory, of which the component may have all from the start.'),
  // See docs/decisions/0020.
  fuel: z.int().min(1).optional().describe('Units of work. Absent: what the operator allows.'),
  responseBytes: z
    .int()
    .min(1024)
    .max(MANIFEST_LIMITS.responseBytes.max)
    .default(MANIFEST_LIMITS.responseBytes.default)
    .describe('Bytes of an answer.'),
});

const secret = z.strictObject({
  name: settingName,
  description: z.string().max(500).optional(),
  required: z.boolean().default(false),
});

const cron = z
  .string()
  .max(100)
  .regex(
    /^[0-9A-Za-z*/,-]+( [0-9A-Za-z*/,-]+){4}$/,
    'must be a cron expression of five fields, such as 0 6 * * 1',
  );
const zone = z.string().refine(isTimeZone, 'must be a time zone such as Europe/Berlin');

/**
 * Manifest v2, the one definition of it. Its input is what an author writes, its output what the platform works with: defaults filled
 * in, capabilities in one form.
 */
export const manifestSchema = z
  .strictObject({
    $schema: z.string().optional().describe('For editors; the platform does not read it.'),
    name: name.describe('Of the extension, once for each publisher: one word, or in reverse-domain form.'),
    publisher: publisher.describe(
      "Who publishes it, in free text. Its slug (lower case, other characters than a-z and 0-9 as one '-') belongs to the tenant that published under it first.",
    ),
    version: version.describe(
      'A semantic version, which never changes once it is published, or X.Y.* for the next patch of X.Y.',
    ),
    displayName: z.string().min(1).max(100).optional().describe('What people are shown. Absent: the name.'),
    description: z.string().max(2000).optional().describe('What it does, for whoever installs it.'),
    icon: uiFile.optional().describe('A file of the bundle.'),
    runtime: z.literal('wasm-js@1').describe('What runs the component.'),
    capabilities: z
      .array(capabilityRequest)
      .max(50)
      .default([])
      .describe(
        'What it may do beside what every extension may: a name, with or without "cap:", asks for all of a capability and requires it.',
      ),
    api: api.optional().describe('What of it can be called over HTTP.'),
    ui: ui.optional().describe('What of it people see, in an iframe.'),
    settings: settingsSchema
      .optional()
      .describe('What an admin can set, as a subset of JSON Schema; the form is made of it.'),
    secrets: z
      .array(secret)
      .max(100)
      .default([])
      .describe('What an admin sets and nobody reads again but the extension.'),
    events: z
      .array(z.strictObject({ topic, handler: handlerName }))
      .max(100)
      .default([])
      .describe('Handlers of events. Not delivered yet: refused at publish.'),
    schedules: z
      .array(z.strictObject({ cron, zone: zone.default('UTC'), handler: handlerName }))
      .max(50)
      .default([])
      .describe('Handlers that run at times. Not run yet: refused at publish.'),
    health: z
      .string()
      .max(200)
      .startsWith('/', 'must be the path of an endpoint')
      .optional()
      .describe(
        'Path of a declared GET endpoint that answers 2xx within 5 s. Absent: that it can be instantiated is the probe.',
      ),
    // Filled from an empty object, so that each limit has its own default and no other.
    limits: limits.prefault({}).describe('What a call may take.'),
    instance: z
      .enum(['fresh', 'shared'])
      .default('fresh')
      .describe(
        'What a call begins with: fresh state, or what an earlier call of the install left in memory (shared), which a person consents to.',
      ),
    assets: z
      .array(z.string().max(255).startsWith('ui/', 'must begin with "ui/"'))
      .max(100)
      .optional()
      .describe(
        'Which files under ui/ browsers may load, by their paths in the bundle; absent: all of them. * is any part of a name, a segment ** any number of folders, {a,b} either.',
      ),
    sbom: z
      .literal('sbom.spdx.json')
      .optional()
      .describe('Where the bundle says what it is made of, as SPDX 2 in JSON.'),
    entry: z
      .enum(['entry.wasm', 'dist/main.wasm'])
      .optional()
      .describe('Which file is the component. It need not be said: a bundle has one.'),
    precompiled: z
      .record(z.string().max(100), z.string().max(255))
      .optional()
      .describe('What a publisher compiled, as an earlier system took it: never used, which a check says.'),
  })
  .transform((manifest) => ({ ...manifest, displayName: manifest.displayName ?? manifest.name }));

/** A manifest as the platform works with it: valid, defaults filled in, capabilities in one form. */
export type Manifest = z.output<typeof manifestSchema>;
/** A manifest as an author may write it. */
export type ManifestInput = z.input<typeof manifestSchema>;

function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== '';
  } catch {
    return false; // a RangeError is how an unknown zone is told
  }
}
