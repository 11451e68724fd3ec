const NODE_MAJOR = 26;

// Everything else is loaded only by a Node that can run it.
if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR) {
  console.error(
    `Node ${NODE_MAJOR} or newer is needed and this is ${process.versions.node}: start with "npm start", which brings its own.`,
  );
  process.exit(1);
}

const { enableCompileCache } = await import('node:module');
const { COMPILE_CACHE } = await import('../scripts/compile-cache.ts');
enableCompileCache(COMPILE_CACHE);
const { logFormat } = await import('../platform/logger.ts');
const { createOutput } = await import('./output.ts');
const { runStarter } = await import('./run.ts');
process.exit(
  await runStarter({
    environment: process.env,
    output: createOutput(process.stdout, logFormat(process.env['LOG_FORMAT'], process.stdout)),
    onStopSignal: (listener) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, listener);
    },
  }),
);
