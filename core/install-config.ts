import { z } from 'zod';
import { PlatformError, type Issue } from './errors.ts';
import { issuesOf } from './issues.ts';
import type { Manifest } from './manifest/manifest.ts';
import { settingValue } from './manifest/settings-schema.ts';
import type { SettingValue, SettingsSchema } from './manifest/settings-schema.ts';

/** What an extension is configured with. */
export type InstallConfig = Record<string, SettingValue>;

/**
 * The config with the settings' defaults filled in, or SETTINGS_INVALID with one issue per fault. An extension without settings takes no config.
 * Nothing of the schema is ever compiled to code.
 */
export function validateConfig(schema: SettingsSchema | undefined, values: unknown): InstallConfig {
  const required = new Set(schema?.required);
  const shape = Object.fromEntries(
    Object.entries(schema?.properties ?? {}).map(([name, rules]) => {
      const value = settingValue(rules);
      // A default fills in for an absent value, so a required setting that has one is never missing.
      if (rules.default !== undefined) return [name, value.default(rules.default)];
      return [name, required.has(name) ? value : value.optional()];
    }),
  );
  return parsedConfig(z.strictObject(shape), values);
}

/**
 * The values as they are, if each fits its setting; some that are required may be missing yet. SETTINGS_INVALID with one issue per
 * fault.
 */
export function checkGivenConfig(schema: SettingsSchema | undefined, values: unknown): InstallConfig {
  const shape = Object.fromEntries(
    Object.entries(schema?.properties ?? {}).map(([name, rules]) => [name, settingValue(rules).optional()]),
  );
  return parsedConfig(z.strictObject(shape), values);
}

function parsedConfig(shape: z.ZodType<Record<string, unknown>>, values: unknown): InstallConfig {
  const parsed = shape.safeParse(values, { reportInput: true });
  if (!parsed.success) {
    const issues = issuesOf(parsed.error);
    const faults = issues
      .map(({ path, message }) => `${path === '' ? 'settings' : path}: ${message}`)
      .join('; ');
    throw new PlatformError('SETTINGS_INVALID', `the settings do not fit the extension: ${faults}`, {
      issues,
    });
  }
  return Object.fromEntries(
    Object.entries(parsed.data).filter((entry): entry is [string, SettingValue] => entry[1] !== undefined),
  );
}

/** The config of an install in which nobody has set anything; what is required and has no default is missing from it. */
export function defaultConfig(schema: SettingsSchema | undefined): InstallConfig {
  return Object.fromEntries(
    Object.entries(schema?.properties ?? {}).flatMap(([name, rules]) =>
      rules.default === undefined ? [] : [[name, rules.default]],
    ),
  );
}

/**
 * Throws SETTINGS_INVALID unless every name is declared and every required secret stays set. A change of null removes a secret; `kept`
 * are those that are set and stay so when not named. Values are in no message.
 */
export function checkSecrets(
  declared: Manifest['secrets'],
  changes: Readonly<Record<string, object | null>>,
  kept: readonly string[],
): void {
  refuseFaults([...undeclared(declared, changes), ...missingSecrets(declared, changes, kept)]);
}

/** The same for secrets beside which some that are required may be missing yet. */
export function checkGivenSecrets(
  declared: Manifest['secrets'],
  changes: Readonly<Record<string, object | null>>,
): void {
  refuseFaults(undeclared(declared, changes));
}

function undeclared(declared: Manifest['secrets'], changes: Readonly<Record<string, unknown>>): Issue[] {
  const names = new Set(declared.map(({ name }) => name));
  return Object.keys(changes)
    .filter((name) => !names.has(name))
    .map((name) => ({
      path: `secrets.${name}`,
      code: 'unknown_secret',
      message: 'is not a secret that the manifest declares; remove it',
    }));
}

/** One for each required secret that would not be set. */
export function missingSecrets(
  declared: Manifest['secrets'],
  changes: Readonly<Record<string, object | null>>,
  kept: readonly string[],
): Issue[] {
  return declared
    .filter(({ name, required }) => {
      const willBeSet = Object.hasOwn(changes, name) ? changes[name] !== null : kept.includes(name);
      return required && !willBeSet;
    })
    .map(({ name }) => ({
      path: `secrets.${name}`,
      code: 'required',
      message: 'is required; give a value',
    }));
}

function refuseFaults(issues: Issue[]): void {
  if (issues.length === 0) return;
  const faults = issues.map(({ path, message }) => `${path} ${message}`).join('; ');
  throw new PlatformError('SETTINGS_INVALID', `the secrets do not fit the extension: ${faults}`, { issues });
}
