import { z } from 'zod';
import { waitFor } from '../../starter/wait-for.ts';
import type { RequestRecord, Sent, Tenant } from '../storm/record.ts';
import type { Deed, Drawn } from './deeds.ts';

/** What is known of an install from the answers that its admins were given. */
export interface Believed {
  installId?: string;
  status?: string;
  /** Something runs on it. */
  operated?: boolean;
}

/** Who asks. Several may work on the same install at once. */
export interface Admin {
  name: string;
  tenant: Tenant;
  record: RequestRecord;
}

const LOOK_FOR_MS = 60_000;
const LOOK_AGAIN_MS = 300;
/** Longer than most operations take, shorter than some. */
const WAIT = { prefer: 'wait=15' };

/** Sends it, and keeps what the answer says. */
export async function ask(admin: Admin, believed: Believed, deed: Deed, drawn: Drawn): Promise<Sent> {
  const { record, tenant, name } = admin;
  const mark = `${tenant.name}.${name}.${record.all.length}`;
  const { installId } = believed;
  const isOfInstall = !deed.route.startsWith('/') && installId !== undefined;
  const sent = await record.send({
    kind: deed.kind,
    tenant,
    method: deed.method,
    route: isOfInstall ? routeBelow(installId, deed.route) : deed.route,
    mark,
    about: {
      led: 'yes',
      ...(isOfInstall && { installId }),
      ...(deed.kind === 'consent' && { decision: drawn.decision }),
    },
    ...(deed.json && { json: deed.json(mark, drawn) }),
    headers: drawn.wait ? WAIT : {},
  });
  believe(believed, sent);
  return sent;
}

function routeBelow(installId: string, route: string): string {
  return `/api/v1/installs/${installId}${/^$|^\?/.test(route) ? '' : '/'}${route}`;
}

/** Looks again until nothing runs on the install. */
export async function awaitRest(admin: Admin, believed: Believed, ms = LOOK_FOR_MS): Promise<boolean> {
  const { tenant, record, name } = admin;
  const { installId } = believed;
  if (installId === undefined) return false;
  const look = async (): Promise<boolean> => {
    const mark = `${tenant.name}.${name}`;
    const route = routeBelow(installId, '');
    const about = { led: 'yes', installId };
    const sent = await record.send({ kind: 'read', tenant, method: 'GET', route, mark, about });
    believe(believed, sent);
    return sent.status === 200 && !isUnderWay(believed);
  };
  return waitFor(look, ms, LOOK_AGAIN_MS);
}

/** Something runs on it, as far as is known. */
export function isUnderWay({ status = '', operated }: Believed): boolean {
  return operated === true || ['installing', 'uninstalling'].includes(status);
}

function believe(believed: Believed, sent: Sent): void {
  const { installId, status, operation } = installIn(sent);
  if (installId === undefined || status === undefined) return;
  Object.assign(believed, { installId, status, operated: operation !== undefined });
}

const shown = z.object({ installId: z.string(), status: z.string(), operation: z.unknown().optional() });

/** The install that an answer shows, of a refusal beside it; nothing where it shows none. */
export function installIn({ answer }: Sent): Partial<z.infer<typeof shown>> {
  const parsed = z.union([shown, z.object({ install: shown })]).safeParse(answer);
  if (!parsed.success) return {};
  return 'install' in parsed.data ? parsed.data.install : parsed.data;
}
