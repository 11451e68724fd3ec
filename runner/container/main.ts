import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';

// A runner in a container, of which there may be several of one name. Gateways that know them by `dns+http://name:port` seal requests for each one's own
// address, which nobody can tell it beforehand: it is the one of this machine's that the name stands for.

const name = process.env['RUNNER_NAME'] ?? '';
const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
const named = await lookup(name, { all: true, family: 4 });
const found = named.find(({ address }) => own.some((one) => one.address === address));
if (!found) throw new Error(`RUNNER_NAME=${name} stands for no address of this container`);
process.env['RUNNER_BASE_URL'] = `http://${found.address}:${process.env['RUNNER_PORT'] ?? '8090'}`;
await import('../main.ts');
