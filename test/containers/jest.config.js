import base from '../../jest.config.js';

// Apart from all other tests: it needs Docker. `npm run test:containers`.
const [unit] = base.projects;

export default {
  ...unit,
  displayName: 'containers',
  rootDir: '../..',
  testMatch: ['<rootDir>/test/containers/*.test.ts'],
  globalSetup: '<rootDir>/test/containers/containers-setup.ts',
  globalTeardown: '<rootDir>/test/containers/containers-teardown.ts',
  testTimeout: 300_000,
  verbose: true,
  maxWorkers: 1, // each file has a platform of its own
};
