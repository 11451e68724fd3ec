import { describe, expect, it } from '@jest/globals';
import { boundHost, EXECUTION_CONTEXT as context } from '../../test/support/bound-host.ts';

describe('the user', () => {
  const user = { user_id: 'u', user_email: 'e', user_name: 'n', user_type: 'internal', client_name: 'c' };

  it('is the one who called', async () => {
    const { host } = boundHost({ request: { user } });
    expect(await host('user-v2', 'get-user', [])).toEqual({
      ok: {
        tenantId: context.tenant_id,
        clientName: 'c',
        userId: 'u',
        userEmail: 'e',
        userName: 'n',
        userType: 'internal',
      },
    });
  });

  it('has no e-mail address, and nothing else that an admin withholds, and the log says so', async () => {
    const ask = async (fields: string[]) => {
      const { host, told, constants } = boundHost({ request: { user }, grants: { 'user.read': { fields } } });
      expect(constants).not.toHaveProperty(['user.get-user']);
      return { reply: await host('user', 'get-user', []), told };
    };
    expect(await ask(['name', 'client'])).toEqual({
      reply: { ok: expect.objectContaining({ userId: 'u', userEmail: '', userName: 'n' }) as unknown },
      told: ['cap:user.read was denied for field "email": an admin of the tenant withholds it'],
    });
    const nothing = await ask([]);
    expect(nothing.reply).toMatchObject({ ok: { userId: 'u', userEmail: '', userName: '', clientName: '' } });
    expect(nothing.told).toHaveLength(3);
  });

  it('is nobody where an operator switched it off', async () => {
    const { host, told } = boundHost({ request: { user, switched_off: ['user.read'] } });
    expect(await host('user-v2', 'get-user', [])).toEqual({ err: 'not-allowed' });
    expect(told).toEqual(['cap:user.read was denied: an operator has switched it off for this tenant']);
  });
});
