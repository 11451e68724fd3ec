import * as current from '../../../runner/http/server.ts';

export * from '../../../runner/http/server.ts';

/** At /readyz it said that it is ready, and nothing of what it takes. */
export const createPrivateServer: typeof current.createPrivateServer = (deps) =>
  current.createPrivateServer({ ...deps, announcement: {} as typeof deps.announcement });
