import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

// Registries of special-purpose addresses of the IANA, as of 2026-11, beside multicast and what is not assigned. Some are reachable from
// anywhere (AS112, AMT); nobody has an API there.

const SPECIAL_V4 = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private
  '100.64.0.0/10', // shared, behind carriers' NAT; metadata of Alibaba
  '127.0.0.0/8', // loopback
  '168.63.129.16/32', // Azure's host: no special-purpose address, and no public one
  '169.254.0.0/16', // link-local; metadata of nearly every cloud
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments; metadata of Oracle
  '192.0.2.0/24', // documentation
  '192.31.196.0/24', // AS112
  '192.52.193.0/24', // AMT
  '192.88.99.0/24', // 6to4 relays, deprecated
  '192.168.0.0/16', // private
  '192.175.48.0/24', // AS112
  '198.18.0.0/15', // benchmarking
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
];

/**
 * All that is assigned for the public is in here. Outside are loopback, unspecified, IPv4 within IPv6 (mapped, compatible, translated,
 * NAT64 of either prefix), discard, SRv6, unique local, link-local, site-local and multicast.
 */
const GLOBAL_V6 = '2000::/3';

const SPECIAL_V6 = [
  '2001::/23', // protocol assignments: Teredo, benchmarking, AMT, AS112, ORCHID, drones
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4: IPv4 within
  '2620:4f:8000::/48', // AS112
  '3ffe::/16', // the former 6bone
  '3fff::/20', // documentation
];

function listOf(subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [address = '', bits] = subnet.split('/');
    list.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}

const special = listOf([...SPECIAL_V4, ...SPECIAL_V6]);
const global6 = listOf([GLOBAL_V6]);

/**
 * Whether every one of these addresses may be connected to: it is public and not this machine's own, or in a range that the operator
 * opened (CIDR notation).
 */
export function createAddressCheck(opened: readonly string[]): (addresses: readonly string[]) => boolean {
  const allowed = listOf(opened);
  const isAllowed = (address: string, own: BlockList): boolean => {
    const version = isIP(address);
    if (version === 0 || address.includes('%')) return false;
    const family = version === 6 ? 'ipv6' : 'ipv4';
    if (allowed.check(address, family)) return true;
    if (special.check(address, family) || own.check(address, family)) return false;
    return version === 4 || global6.check(address, family);
  };
  return (addresses) => {
    const own = ownAddresses();
    return addresses.every((address) => isAllowed(address, own));
  };
}

/** What listens on this machine trusts it more than the world, and a firewall before it does not stand between. */
function ownAddresses(): BlockList {
  const own = new BlockList();
  for (const { address, family } of Object.values(networkInterfaces()).flatMap((of) => of ?? [])) {
    own.addAddress(address, family === 'IPv6' ? 'ipv6' : 'ipv4');
  }
  return own;
}
