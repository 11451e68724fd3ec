import js from '@eslint/js';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

const zone = (target, from, message) => ({
  target: `./${target}`,
  from: from.map((folder) => `./${folder}`),
  message,
});

// The table "who may import whom". test/lint/boundaries.test.ts proves each line of it on a wrong file.
const layers = [
  zone(
    'core',
    ['platform', 'activities', 'workflows', 'workers', 'api', 'runner', 'starter', 'migrations'],
    'core imports nothing of ours',
  ),
  zone(
    'platform',
    ['activities', 'workflows', 'workers', 'api', 'runner', 'starter', 'migrations'],
    'platform is below the processes',
  ),
  zone(
    'activities',
    ['workflows', 'workers', 'api', 'runner', 'starter', 'migrations'],
    'activities import core and platform',
  ),
  zone(
    'workflows',
    ['platform', 'workers', 'api', 'runner', 'starter', 'migrations'],
    'workflows import core, and the types of activities',
  ),
  zone('workers', ['api', 'runner', 'starter'], 'workers run workflows and activities, nothing else'),
  zone(
    'runner',
    ['activities', 'workflows', 'workers', 'api', 'starter', 'migrations'],
    'the runner knows nothing of Temporal, the database or the API',
  ),
  zone(
    'api',
    ['activities', 'workers', 'runner', 'starter'],
    'the API starts workflows; it does not do their work',
  ),
  zone(
    'sdk',
    ['core', 'platform', 'activities', 'workflows', 'workers', 'api', 'runner', 'starter', 'migrations'],
    'authors and their guests have the SDK alone',
  ),
  ...['api', 'workers'].map((process) => ({
    ...zone(process, ['migrations'], 'a process knows migrations by name, to check that they were applied'),
    except: ['./index.ts'],
  })),
  zone(
    'starter',
    ['activities', 'workflows', 'workers', 'api', 'runner'],
    'the starter starts processes; it shares no memory with them',
  ),
  zone(
    'migrations',
    ['activities', 'workflows', 'workers', 'api', 'runner', 'starter'],
    'migrations import core and platform',
  ),
  zone(
    'scripts',
    ['activities', 'workers', 'api', 'runner', 'starter'],
    'the starter imports scripts, not the other way round',
  ),
];

// A test beside its subject may use what tests share; nothing else may.
const aside = [
  ...['core', 'platform', 'activities', 'workflows', 'workers', 'api', 'runner', 'sdk', 'migrations'].map(
    (folder) =>
      zone(
        folder,
        ['test', 'bench', 'examples', 'scripts'],
        'what runs in production stands on none of these',
      ),
  ),
  ...['starter', 'scripts', 'bench'].map((folder) =>
    zone(folder, ['test'], 'tests import, and are imported by nobody'),
  ),
];

const temporal = ['@temporalio/*'];
const database = ['knex', 'pg'];

export default tseslint.config(
  { ignores: ['node_modules', 'dist', '.data', 'test/lint/fixtures'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    settings: {
      'import-x/resolver-next': [createTypeScriptImportResolver()],
      // Without these two the rules read no file but the one they lint, and no-cycle finds nothing.
      'import-x/extensions': ['.ts'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
    },
    rules: {
      'import-x/no-restricted-paths': ['error', { zones: [...layers, ...aside] }],
      'import-x/no-cycle': 'error',
      'import-x/no-default-export': 'error',
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
      'no-console': 'error',
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'only a main.ts reads the environment' },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    // createXActivities and createXRouter return what they build; the inferred type is the contract.
    files: ['activities/**/*.ts', 'platform/db/**/*.ts'],
    rules: { '@typescript-eslint/explicit-module-boundary-types': 'off' },
  },
  {
    // Row types are asserted where a query is written: knex infers nothing through joins and raw columns.
    files: ['platform/db/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
    },
  },
  {
    files: ['core/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['node:*', ...temporal, ...database], message: 'core is pure' }] },
      ],
    },
  },
  {
    files: ['sdk/guest/**/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['node:*'], message: 'a guest has no Node' }] },
      ],
    },
  },
  {
    files: ['runner/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: [...temporal, ...database, '**/platform/db/**', '**/platform/temporal/**'],
              message: 'the runner has no database and no Temporal',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['workflows/**/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['**/activities/**'],
              allowTypeImports: true,
              message: 'workflows know activities by type only',
            },
            { group: ['node:*'], message: 'no I/O in a workflow' },
          ],
        },
      ],
    },
  },
  {
    files: ['**/main.ts', 'scripts/**/*.ts', 'bench/**/*.ts', 'test/**/*.ts', '**/*.test.ts'],
    rules: { 'no-restricted-properties': 'off', 'no-console': 'off' },
  },
  {
    files: ['**/*.test.ts'],
    rules: { 'import-x/no-restricted-paths': ['error', { zones: layers }] },
  },
  {
    files: ['migrations/**/*.ts'],
    rules: { '@typescript-eslint/explicit-module-boundary-types': 'off' },
  },
  {
    files: ['**/*.js'],
    languageOptions: { globals: { process: 'readonly' } },
  },
  {
    files: ['test/run/fixtures/*.js'],
    languageOptions: { globals: { console: 'readonly', setTimeout: 'readonly' } },
  },
  {
    // They run in a sandbox, after the words that test/support/taken-over.ts gives them.
    files: ['test/fixtures/escape/processes/*.js'],
    rules: { 'no-undef': 'off' },
  },
);
