import { setTimeout as delay } from 'node:timers/promises';
import { Router } from 'express';

/** Whoever asks gives up after a second. */
const READY_WITHIN_MS = 900;

export interface HealthRouterDeps {
  checkDatabase: () => Promise<void>;
  /** Whether calls had better go to another gateway. */
  isDraining: () => boolean;
}

/** `/healthz`: the process lives. `/readyz`: it can serve. Open to all, and silent about why not. */
export function createHealthRouter({ checkDatabase, isDraining }: HealthRouterDeps): Router {
  const router = Router();

  router.get('/healthz', (_req, res) => {
    res.json({ status: 'ok' });
  });

  router.get('/readyz', async (_req, res) => {
    if (isDraining()) {
      res.status(503).json({ status: 'draining' });
      return;
    }
    const answered = checkDatabase().then(
      () => true,
      () => false, // the database's own errors are no business of the open internet
    );
    const ready = await Promise.race([answered, delay(READY_WITHIN_MS, false, { ref: false })]);
    res.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'database unavailable' });
  });
  return router;
}
