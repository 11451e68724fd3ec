import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { choosePorts, freePort } from './ports.ts';

describe('choosePorts', () => {
  let taken: Server;
  let port: number;
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);

  beforeEach(async () => {
    lines.length = 0;
    taken = createServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    port = typeof address === 'object' && address ? address.port : 0;
  });
  afterEach(() => void taken.close());

  it('takes the default when it is free', async () => {
    const preferred = await freePort();
    const wish = { name: 'GATEWAY_PORT', explicit: undefined, preferred };
    expect(await choosePorts({ gateway: wish }, log)).toEqual({ gateway: preferred });
    expect(lines).toEqual([]);
  });

  it('moves a taken default to a free port and says so', async () => {
    const wish = { name: 'GATEWAY_PORT', explicit: undefined, preferred: port };
    const { gateway } = await choosePorts({ gateway: wish }, log);
    expect(gateway).not.toBe(port);
    expect(lines).toEqual([`port ${port} is taken; GATEWAY_PORT moves to ${gateway}`]);
  });

  it('refuses a taken port that a person asked for, by the name of its variable', async () => {
    const wish = { name: 'GATEWAY_PORT', explicit: port, preferred: 8080 };
    await expect(choosePorts({ gateway: wish }, log)).rejects.toThrow(
      `GATEWAY_PORT=${port}: this port is taken`,
    );
  });

  it('keeps a default away from a port that a person asked for elsewhere', async () => {
    const wanted = await freePort();
    const chosen = await choosePorts(
      {
        gateway: { name: 'GATEWAY_PORT', explicit: undefined, preferred: wanted },
        runner: { name: 'RUNNER_PORT', explicit: wanted, preferred: 8090 },
      },
      log,
    );
    expect(chosen.runner).toBe(wanted);
    expect(chosen.gateway).not.toBe(wanted);
  });

  it('refuses one port asked for twice', async () => {
    const wanted = await freePort();
    const wishes = {
      gateway: { name: 'GATEWAY_PORT', explicit: wanted, preferred: 8080 },
      runner: { name: 'RUNNER_PORT', explicit: wanted, preferred: 8090 },
    };
    await expect(choosePorts(wishes, log)).rejects.toThrow(`RUNNER_PORT=${wanted}`);
  });

  it('gives any free port where 0 or nothing is asked for, without a word', async () => {
    const chosen = await choosePorts(
      {
        postgres: { name: 'POSTGRES_PORT', explicit: undefined, preferred: undefined },
        gateway: { name: 'GATEWAY_PORT', explicit: 0, preferred: port },
      },
      log,
    );
    expect(chosen.postgres).toBeGreaterThan(0);
    expect(chosen.gateway).toBeGreaterThan(0);
    expect(chosen.gateway).not.toBe(chosen.postgres);
    expect(lines).toEqual([]);
  });
});
