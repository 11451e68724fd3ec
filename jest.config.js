const swc = [
  '@swc/jest',
  { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' } },
];

/** What Jest looks through at each start, for tests and for what they load. */
const FOLDERS = [
  ...['activities', 'api', 'bench', 'core', 'examples', 'migrations', 'platform', 'runner', 'scripts', 'sdk'],
  ...['starter', 'test', 'workers', 'workflows'],
];

const project = (displayName, testMatch, extra = {}) => ({
  displayName,
  testMatch,
  testEnvironment: 'node',
  transform: { '^.+\\.ts$': swc },
  extensionsToTreatAsEsm: ['.ts'],
  roots: FOLDERS.map((folder) => `<rootDir>/${folder}`),
  cacheDirectory: '<rootDir>/node_modules/.cache/jest',
  ...extra,
});

export default {
  projects: [
    project('unit', [
      '<rootDir>/{core,platform,workflows,activities,workers,runner,api,sdk,starter,scripts,test/support,test/run,test/lint,test/replay,test/{model,storm}}/**/*.test.ts',
    ]),
    project('integration', ['<rootDir>/test/integration/**/*.test.ts'], {
      globalSetup: '<rootDir>/test/support/integration-setup.ts',
      globalTeardown: '<rootDir>/test/support/integration-teardown.ts',
    }),
    project('e2e', ['<rootDir>/test/e2e/**/*.test.ts']),
  ],
  testTimeout: 120_000,
  maxWorkers: 2,
};
