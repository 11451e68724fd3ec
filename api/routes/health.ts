import { Router } from 'express';

export interface HealthRouterDeps {
  checkDatabase: () => Promise<void>;
}

/** `/healthz`: the process lives. `/readyz`: it can serve. Open to all, and silent about why not. */
export function createHealthRouter({ checkDatabase }: HealthRouterDeps): Router {
  const router = Router();

  router.get('/healthz', (_req, res) => {
    res.json({ status: 'ok' });
  });

  router.get('/readyz', async (_req, res) => {
    const ready = await checkDatabase().then(
      () => true,
      () => false, // the database's own errors are no business of the open internet
    );
    res.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'database unavailable' });
  });
  return router;
}
