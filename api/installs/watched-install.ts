import type { Install } from '../../platform/db/installs.ts';
import type { StreamedState } from '../event-streams.ts';
import type { WatchedRow } from '../watch-row.ts';
import type { InstallService } from './install-service.ts';

/** An install that a client waits for. Reading it throws NOT_FOUND, for a foreign install as for none. */
export function watchedInstall(
  service: Pick<InstallService, 'find'>,
  tenantId: string,
  installId: string,
): WatchedRow<Install> {
  const read = (): Promise<Install> => service.find(tenantId, installId);
  return { tenantId, table: 'tenant_extension_install', id: installId, read };
}

const ON_THE_WAY: readonly Install['status'][] = [
  'installing',
  'awaiting-consent',
  'awaiting-settings',
  'uninstalling',
];

/** Its last event comes when nothing runs on it and it waits for nobody. */
export function installEvent({ status, operation, pending, error }: Install): StreamedState['event'] {
  if (operation ?? pending?.waitingFor ?? ON_THE_WAY.includes(status)) return 'progress';
  return error ? 'failed' : 'done';
}
