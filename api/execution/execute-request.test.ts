import { describe, expect, it } from '@jest/globals';
import type { CapabilityName } from '../../core/capabilities.ts';
import { runnerAnnouncement } from '../../core/execute.ts';
import { executionInput, hydratedInstall } from '../../test/support/hydrated-install.ts';
import { firstExecuteRequest } from '../../test/support/first-execute-contract.ts';
import { executeRequestOf } from './execute-request.ts';

const FIRST = runnerAnnouncement.parse({});
const KNOWN = { secretsKeyId: 'now', now: 0, announced: FIRST };

const install = hydratedInstall({
  config: { greeting: 'Hello' },
  secrets: [
    { name: 'API_KEY', sealed: 'present', keyId: 'now' },
    { name: 'OLD', sealed: 'past', keyId: 'before' },
  ],
  secretsVersion: 3,
});

function requestWith(...grants: CapabilityName[]): ReturnType<typeof executeRequestOf> {
  const granted = { ...install, grants: grants.map((capability) => ({ capability, scope: {} })) };
  return executeRequestOf(granted, executionInput(), KNOWN);
}

describe('what a runner is sent', () => {
  it('has neither config nor secrets without their grants', () => {
    const request = requestWith('storage.kv');
    expect(request.config).toEqual({});
    expect(request).not.toHaveProperty('secret_envelope');
  });

  it('has the config with its grant', () => {
    expect(requestWith('config.read').config).toEqual({ greeting: 'Hello' });
  });

  it('has the secrets with their grant, but none sealed to another key, until shortly after the deadline', () => {
    expect(requestWith('secrets.get').secret_envelope).toMatchObject({
      version: 3,
      entries: { API_KEY: 'present' },
      key_id: 'now',
      expires_at: '1970-01-01T00:00:11.000Z',
    });
  });

  it('has only the secrets that the grant names, and no envelope if none of them is set', () => {
    const both = {
      ...install,
      secrets: [...install.secrets, { name: 'OTHER', sealed: 'other', keyId: 'now' }],
    };
    const granted = (names: string[]) =>
      executeRequestOf(
        { ...both, grants: [{ capability: 'secrets.get', scope: { names } }] },
        executionInput(),
        KNOWN,
      );
    expect(granted(['API_KEY', 'OLD', 'UNSET']).secret_envelope?.entries).toEqual({ API_KEY: 'present' });
    expect(granted(['OLD', 'UNSET'])).not.toHaveProperty('secret_envelope');
    expect(granted([])).not.toHaveProperty('secret_envelope');
  });

  it('has the capabilities that everyone has, each once', () => {
    const names = requestWith('user.read').providers.map(({ capability }) => capability);
    expect(names.sort()).toEqual(['context.read', 'log.emit', 'user.read']);
  });

  it('has what is switched off for the tenant, unless the runner may be of the first release', () => {
    const off: CapabilityName[] = ['storage.kv'];
    const sentTo = (announced: typeof FIRST) =>
      executeRequestOf({ ...install, off }, executionInput(), { ...KNOWN, announced });
    expect(sentTo({ ...FIRST, seal_epoch: 'A'.repeat(22) }).switched_off).toEqual(off);
    expect(sentTo(FIRST)).not.toHaveProperty('switched_off');
  });

  describe('beside a runner of another release', () => {
    const granted = {
      ...install,
      limits: { ...install.limits, fuel: 5_000 },
      grants: (['http.fetch', 'storage.kv', 'secrets.get'] as const).map((capability) => ({
        capability,
        scope: {},
      })),
    };
    const sentTo = (announced: typeof FIRST) =>
      executeRequestOf(granted, executionInput(), { ...KNOWN, announced });
    const namesOf = ({ providers }: ReturnType<typeof sentTo>) =>
      providers.map(({ capability }) => capability).sort();

    it('is what the first release takes, if it announces nothing', () => {
      const request = sentTo(FIRST);
      expect(firstExecuteRequest.parse(request)).toEqual(request);
      expect(namesOf(request)).toEqual([
        'context.read',
        'log.emit',
        'secrets.get',
        'storage.kv',
        'user.read',
      ]);
    });

    it('has what a newer one announces', () => {
      const newer = {
        limits: [...FIRST.limits, 'fuel'],
        capabilities: [...FIRST.capabilities, 'http.fetch'],
      };
      const request = sentTo(newer);
      expect(request.limits.fuel).toBe(5_000);
      expect(namesOf(request)).toContain('http.fetch');
    });

    it('has a shared instance for one that keeps them, and fresh state beside the first release', () => {
      const shares = {
        ...install,
        grants: [{ capability: 'instance.shared' as const, scope: {} }],
      };
      const namesAt = (announced: typeof FIRST) =>
        namesOf(executeRequestOf(shares, executionInput(), { ...KNOWN, announced }));
      const newer = { ...FIRST, capabilities: [...FIRST.capabilities, 'instance.shared'] };
      expect(namesAt(newer)).toContain('instance.shared');
      expect(namesAt(FIRST)).not.toContain('instance.shared');
    });

    it('has nothing of a capability that an older one lacks, though everyone is granted it', () => {
      const older = { ...FIRST, capabilities: ['context.read', 'storage.kv'] };
      const request = sentTo(older);
      expect(namesOf(request)).toEqual(['context.read', 'storage.kv']);
      expect(request).not.toHaveProperty('secret_envelope');
    });
  });
});
