const swc = [
  '@swc/jest',
  { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' } },
];

const project = (displayName, testMatch, extra = {}) => ({
  displayName,
  testMatch,
  testEnvironment: 'node',
  transform: { '^.+\\.ts$': swc },
  extensionsToTreatAsEsm: ['.ts'],
  modulePathIgnorePatterns: ['<rootDir>/.data/', '<rootDir>/dist/'],
  ...extra,
});

export default {
  // Each case by its name, also of many files: whoever asks what the egress corpus holds reads it there.
  verbose: true,
  projects: [
    project('unit', [
      '<rootDir>/{core,platform,workflows,activities,workers,runner,api,sdk,starter,scripts,test/support,test/lint,test/replay,test/{model,storm}}/**/*.test.ts',
    ]),
    project('integration', ['<rootDir>/test/integration/**/*.test.ts'], {
      globalSetup: '<rootDir>/test/support/integration-setup.ts',
      globalTeardown: '<rootDir>/test/support/integration-teardown.ts',
    }),
    project('e2e', ['<rootDir>/test/e2e/**/*.test.ts'], {
      globalSetup: '<rootDir>/test/support/e2e-setup.ts',
      globalTeardown: '<rootDir>/test/support/e2e-teardown.ts',
    }),
  ],
  testTimeout: 120_000,
  maxWorkers: 2,
  // Modules of test files that are over are not all given back: after 280 files each worker held 7 GB, 1.7 of them in its heap, which this looks at.
  workerIdleMemoryLimit: '800MB',
};
