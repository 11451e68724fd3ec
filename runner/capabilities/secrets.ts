import { z } from 'zod';
import { scopeAllows } from '../../core/capabilities.ts';
import { isPlatformError } from '../../core/errors.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import { openSecret } from '../../platform/secrets/open-secret.ts';
import type { Capability, HostFunction } from './capability.ts';

const getArgs = z.tuple([z.string()]);

/** Secrets of the install, opened here and handed to the guest that asks; the scope may name the only ones. */
export const secretsCapability: Capability = {
  name: 'secrets.get',
  bind({ request, denied }, scope, { secretsKey, now }) {
    const envelope = request.secret_envelope;
    const sealed = envelope?.entries ?? {};
    const opened = new Map<string, Promise<SecretValue>>(); // for this execution only

    const get: HostFunction = async (args) => {
      const [name] = getArgs.parse(args);
      if (!scopeAllows(scope, 'names', name)) {
        denied('secrets.get', name);
        return { err: 'denied' };
      }
      const entry = Object.hasOwn(sealed, name) ? sealed[name] : undefined;
      if (envelope === undefined || entry === undefined) return { err: 'missing' };
      if (Date.parse(envelope.expires_at) <= now()) return { err: 'expired' };
      const { tenant_id: tenantId, install_id: installId } = request.context;
      const value = opened.get(name) ?? openSecret(secretsKey, { tenantId, installId, name }, entry);
      opened.set(name, value);
      try {
        return { ok: (await value).reveal() };
      } catch (err) {
        // Sealed to another key, or for another install: the guest is told nothing more.
        if (isPlatformError(err) && err.code === 'SECRET_UNREADABLE') return { err: 'internal' };
        throw err;
      }
    };

    return {
      secrets: {
        get,
        'list-keys': () => ({
          ok: Object.keys(sealed)
            .filter((name) => scopeAllows(scope, 'names', name))
            .sort(),
        }),
      },
    };
  },
};
