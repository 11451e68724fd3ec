import type { Kind } from '../storm/record.ts';

/** In every secret that is sent, so that it is found wherever it should not be. */
export const SECRET_MARK = 'never-to-be-seen-7319';

/** Versions of the extension that installs are led through, and what the guest or the admin makes of each. */
export const VERSIONS = {
  first: '1.0.0',
  same: '1.1.0',
  /** Its health endpoint is not there. */
  unfit: '1.2.0',
  /** Asks for more. */
  more: '2.0.0',
  /** Wants a setting. */
  needy: '3.0.0',
} as const;

/** What differs between two requests of the same kind. */
export interface Drawn {
  version: string;
  consent: 'all' | [];
  decision: 'grant' | 'decline';
  /** Whether the setting that `needy` wants is given. */
  city: boolean;
  /** Whether the end is waited for. */
  wait: boolean;
}

/** Something that an admin can ask for. */
export interface Deed {
  kind: Kind;
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below that of the install, unless it begins with a slash. */
  route: string;
  json?: (mark: string, drawn: Drawn) => unknown;
  /** Of an install that is one of these; undefined is one that is not there. */
  fits: readonly (string | undefined)[];
}

const ENDED = [undefined, 'failed', 'declined', 'uninstalled'];
const SERVED = ['active', 'paused', 'disabled'];
const CONFIGURED = ['awaiting-settings', ...SERVED];

const secrets = (mark: string) => ({ TOKEN: `${SECRET_MARK}.${mark}` });
const settings = (mark: string, { city }: Drawn) => ({ greeting: mark, ...(city && { city: 'Kiel' }) });
const withVersion = (mark: string, drawn: Drawn) => {
  const { version, consent } = drawn;
  const config = settings(mark, { ...drawn, city: drawn.city && version === VERSIONS.needy });
  return { config, secrets: secrets(mark), version, consent };
};
const narrowed = () => ({
  grants: [{ capability: 'config.read' }, { capability: 'storage.kv', scope: { namespaces: ['counters'] } }],
});
const operation = (kind: Kind, fits: Deed['fits']): Deed => ({ kind, method: 'POST', route: kind, fits });

/** All of them for an extension, by `publisher.name`. The more often one is named, the more often it is done. */
export function deedsFor(extension: string): readonly [Deed, ...Deed[]] {
  const install: Deed = {
    kind: 'install',
    method: 'POST',
    route: '/api/v1/extensions/install',
    json: (mark, drawn) => ({ ...withVersion(mark, drawn), extension }),
    fits: ENDED,
  };
  const upgrade: Deed = { ...operation('upgrade', SERVED), json: withVersion };
  const rollback: Deed = { ...operation('rollback', SERVED), json: () => ({}) };
  const uninstall: Deed = {
    kind: 'uninstall',
    method: 'DELETE',
    route: '',
    fits: [...CONFIGURED, 'awaiting-consent'],
  };
  const enable = operation('enable', ['disabled']);
  const restore = operation('restore', ['uninstalled']);
  const consent: Deed = {
    ...operation('consent', ['awaiting-consent', ...SERVED]),
    json: (_mark, { decision }) => ({ decision }),
  };
  return [
    install,
    ...[upgrade, upgrade, rollback],
    consent,
    { kind: 'config', method: 'PUT', route: 'config', json: settings, fits: CONFIGURED },
    { kind: 'reset', method: 'DELETE', route: 'config', fits: SERVED },
    { kind: 'secrets', method: 'PUT', route: 'secrets', json: secrets, fits: CONFIGURED },
    { kind: 'grants', method: 'PUT', route: 'grants', json: narrowed, fits: SERVED },
    operation('disable', ['active', 'paused']),
    ...[enable, enable],
    operation('pause', ['active']),
    operation('resume', ['paused']),
    uninstall,
    { ...uninstall, route: '?purge=now', fits: [...SERVED, 'uninstalled'] },
    ...[restore, restore, restore],
  ];
}
