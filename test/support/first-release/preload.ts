import { registerHooks } from 'node:module';

// `node --import` of this makes the runner of today speak, announce and load what the runner of release 0.1.0 did: the modules
// beside this one stand in for those of the same name.

const STANDS_IN: Readonly<Record<string, string>> = {
  '/core/execute.ts': './execute.ts',
  '/core/artifact-target.ts': './artifact-target.ts',
  '/runner/http/server.ts': './server.ts',
};

registerHooks({
  resolve(specifier, context, nextResolve) {
    const resolved = nextResolve(specifier, context);
    const name = Object.keys(STANDS_IN).find((end) => resolved.url.endsWith(end));
    if (name === undefined) return resolved;
    const { href } = new URL(STANDS_IN[name] ?? '', import.meta.url);
    // What stands in asks for the real one itself.
    return context.parentURL === href ? resolved : { ...resolved, url: href };
  },
});
