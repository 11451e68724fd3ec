import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';

const ROOT = path.resolve(import.meta.dirname, '../..');

// The rules under test need no types, and files that exist only here have none.
const whole = new ESLint({ cwd: ROOT, overrideConfig: [tseslint.configs.disableTypeChecked] });
/** Without the rule that reads everything that a file leads to. */
const quick = new ESLint({
  cwd: ROOT,
  overrideConfig: [tseslint.configs.disableTypeChecked, { rules: { 'import-x/no-cycle': 'off' } }],
});

/** Names of the rules that refuse this text as that file. */
async function refusals(file: string, text: string, by = quick): Promise<string[]> {
  const [result] = await by.lintText(`${text}\n`, { filePath: path.join(ROOT, file) });
  const messages = result?.messages ?? [];
  expect(messages.filter(({ fatal }) => fatal)).toEqual([]);
  return messages
    .map(({ ruleId }) => ruleId ?? '')
    .filter((rule) => rule !== '@typescript-eslint/no-unused-vars');
}

const PATHS = 'import-x/no-restricted-paths';
const from = (file: string): string => `import * as it from '${file}'; it;`.replace(' it;', ' void it;');

describe('who may import whom', () => {
  it.each([
    ['core/x.ts', '../platform/logger.ts'],
    ['core/x.ts', '../workflows/messages.ts'],
    ['core/x.ts', '../api/principal.ts'],
    ['platform/x.ts', '../activities/bundles.ts'],
    ['platform/x.ts', '../api/principal.ts'],
    ['platform/db/x.ts', '../../migrations/index.ts'],
    ['activities/x.ts', '../workflows/messages.ts'],
    ['activities/x.ts', '../api/principal.ts'],
    ['activities/x.ts', '../runner/main.ts'],
    ['workflows/x.ts', '../platform/logger.ts'],
    ['workflows/x.ts', '../workers/main.ts'],
    ['workers/x.ts', '../api/principal.ts'],
    ['workers/x.ts', '../runner/main.ts'],
    ['runner/x.ts', '../activities/bundles.ts'],
    ['runner/x.ts', '../workflows/messages.ts'],
    ['runner/x.ts', '../api/principal.ts'],
    ['runner/x.ts', '../migrations/index.ts'],
    ['api/x.ts', '../activities/bundles.ts'],
    ['api/x.ts', '../workers/main.ts'],
    ['api/x.ts', '../runner/main.ts'],
    ['api/x.ts', '../migrations/20261121T100100-create-registry.ts'],
    ['workers/x.ts', '../migrations/20261121T100100-create-registry.ts'],
    ['starter/x.ts', '../api/principal.ts'],
    ['starter/x.ts', '../workers/main.ts'],
    ['starter/x.ts', '../runner/main.ts'],
    ['starter/x.ts', '../workflows/messages.ts'],
    ['starter/x.ts', '../activities/bundles.ts'],
    ['migrations/x.ts', '../api/principal.ts'],
    ['scripts/x.ts', '../starter/ports.ts'],
    ['scripts/x.ts', '../api/principal.ts'],
    ['sdk/guest/x.ts', '../../core/errors.ts'],
    ['sdk/guest/x.ts', '../../scripts/build-example.ts'],
    ['core/x.ts', '../test/support/eventually.ts'],
    ['platform/x.ts', '../scripts/build-workflows.ts'],
    ['activities/x.ts', '../test/support/eventually.ts'],
    ['workflows/x.ts', '../test/support/eventually.ts'],
    ['workers/x.ts', '../scripts/build-workflows.ts'],
    ['runner/x.ts', '../scripts/build-example.ts'],
    ['runner/x.ts', '../bench/load.ts'],
    ['api/x.ts', '../test/support/eventually.ts'],
    ['api/x.ts', '../examples/hello/src/main.ts'],
    ['migrations/x.ts', '../test/support/database.ts'],
    ['starter/x.ts', '../test/support/eventually.ts'],
    ['scripts/x.ts', '../test/support/database.ts'],
    ['bench/x.ts', '../test/support/database.ts'],
    ['platform/x.test.ts', '../api/principal.ts'],
  ])('%s may not import %s', async (file, target) => {
    expect(await refusals(file, from(target))).toContain(PATHS);
  });

  it.each([
    ['platform/x.ts', '../core/errors.ts'],
    ['activities/x.ts', '../platform/logger.ts'],
    ['workflows/x.ts', '../core/progress.ts'],
    ['workers/x.ts', '../activities/bundles.ts'],
    ['runner/x.ts', '../platform/logger.ts'],
    ['api/x.ts', '../platform/logger.ts'],
    ['api/x.ts', '../workflows/messages.ts'],
    ['api/main.ts', '../migrations/index.ts'],
    ['workers/main.ts', '../migrations/index.ts'],
    ['starter/x.ts', '../migrations/index.ts'],
    ['starter/x.ts', '../scripts/build-workflows.ts'],
    ['scripts/x.ts', '../migrations/index.ts'],
    ['runner/x.test.ts', '../test/support/components.ts'],
    ['test/x.ts', '../starter/ports.ts'],
  ])('%s may import %s', async (file, target) => {
    expect(await refusals(file, from(target))).toEqual([]);
  });
});

it('imports that lead back to where they began are refused', async () => {
  expect(await refusals('core/errors.ts', from('./issues.ts'), whole)).toContain('import-x/no-cycle');
});

describe('what each part keeps out', () => {
  const PLAIN = 'no-restricted-imports';
  const TYPED = '@typescript-eslint/no-restricted-imports';

  it.each([
    ['core has no I/O', 'core/x.ts', from('node:fs'), PLAIN],
    ['core has no Temporal', 'core/x.ts', from('@temporalio/common'), PLAIN],
    ['core has no database', 'core/x.ts', from('knex'), PLAIN],
    ['the runner has no Temporal', 'runner/x.ts', from('@temporalio/client'), PLAIN],
    ['the runner has no database', 'runner/x.ts', from('pg'), PLAIN],
    ['the runner has no stores', 'runner/x.ts', from('../platform/db/database.ts'), PLAIN],
    ['the runner has no adapter of Temporal', 'runner/x.ts', from('../platform/temporal/client.ts'), PLAIN],
    ['a guest has no Node', 'sdk/guest/x.ts', from('node:fs'), PLAIN],
    ['workflows do no I/O', 'workflows/x.ts', from('node:fs'), TYPED],
    ['workflows call no activity directly', 'workflows/x.ts', from('../activities/bundles.ts'), TYPED],
    [
      'only mains read the environment',
      'platform/x.ts',
      'export const x = process.env;',
      'no-restricted-properties',
    ],
    ['the console is for people', 'api/x.ts', "console.log('x');", 'no-console'],
    ['exports have names', 'api/x.ts', 'export default 1;', 'import-x/no-default-export'],
  ])('%s', async (_rule, file, text, rule) => {
    expect(await refusals(file, text)).toContain(rule);
  });

  it.each([
    [
      'workflows know the types of activities',
      'workflows/x.ts',
      "export type * from '../activities/bundles.ts';",
    ],
    ['a main reads the environment', 'api/main.ts', 'export const x = process.env;'],
  ])('%s', async (_rule, file, text) => {
    expect(await refusals(file, text)).toEqual([]);
  });
});
