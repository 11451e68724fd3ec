import { once } from 'node:events';
import { Router } from 'express';
import type { z } from 'zod';
import { exportInstall, type ExportLine } from '../../core/api/install-lifecycle.ts';
import type { Install } from '../../platform/db/installs.ts';
import type { ExportedRecord, StorageExportStore } from '../../platform/db/storage-export.ts';
import { createBoundedTurns } from '../../platform/bounded-turns.ts';
import { onWire } from '../answer.ts';
import type { InstallService } from '../installs/install-service.ts';
import { principalOf, requirePermission } from '../principal.ts';
import { inputOf } from '../request-input.ts';

/** Exports of one tenant: each reads all that an install keeps, through connections and a process that are everybody's. */
const EXPORTS = { atOnce: 1, waiting: 8 };

export interface ExportInstallRouterDeps {
  service: Pick<InstallService, 'find'>;
  storage: StorageExportStore;
}

/** `GET /{installId}/export`, for whoever may read the config. One page of records is held at a time. */
export function createExportInstallRouter({ service, storage }: ExportInstallRouterDeps): Router {
  const exports = createBoundedTurns(EXPORTS);
  const router = Router();

  router.get('/:installId/export', requirePermission('extension:install'), async (req, res) => {
    const { installId } = inputOf(exportInstall.params, req.params);
    const { tenantId } = principalOf(res);
    const install = await service.find(tenantId, installId);
    const gone = new AbortController();
    res.once('close', () => gone.abort());
    await exports.run(tenantId, gone.signal, async () => {
      res.status(200).type('application/x-ndjson');
      res.set('cache-control', 'no-store');
      res.set('content-disposition', `attachment; filename="${installId}.ndjson"`);
      for await (const line of linesOf(install, storage)) {
        if (!res.write(`${JSON.stringify(wire(line))}\n`)) await once(res, 'drain', { signal: gone.signal });
      }
      res.end();
    });
  });
  return router;
}

const wire = (line: ExportLine): z.input<typeof exportInstall.line> => onWire(exportInstall.line, line);

async function* linesOf(install: Install, storage: StorageExportStore): AsyncGenerator<ExportLine> {
  const { tenantId, installId, extension, version, contentHash, status, configVersion, secretsVersion } =
    install;
  const shown = { installId, extension, version, contentHash, status, configVersion, secretsVersion };
  yield { type: 'install', ...shown, exportedAt: new Date() };
  yield { type: 'config', config: install.config ?? {} };
  for (const grant of install.grants) yield { type: 'grant', ...grant };
  let records = 0;
  let last: ExportedRecord | undefined;
  do {
    const page: ExportedRecord[] = await storage.page(tenantId, installId, last);
    for (const record of page) yield { type: 'record', ...record, value: record.value.toString('base64') };
    records += page.length;
    last = page.at(-1);
  } while (last);
  yield { type: 'end', records };
}
