/** Questions under way, and those that came to nothing within the second: as many take 2 % of a gateway's core. */
const AT_ONCE = 60;
const AT_ONCE_OF_ONE = 20;
const WINDOW_MS = 1_000;

export interface Allowance {
  /** Runs the question unless there are too many: 429 if of this network, 503 if of all. What finds something costs nothing. */
  spend<Found>(
    network: string,
    question: () => Promise<Found | undefined>,
  ): Promise<Found | undefined> | 429 | 503;
}

export function createAllowance(now: () => number): Allowance {
  const underWay = createTally();
  let inVain = createTally();
  let began = -Infinity;

  const countInVain = () => {
    if (now() - began >= WINDOW_MS) {
      began = now();
      inVain = createTally();
    }
    return inVain;
  };

  async function run<Found>(
    network: string,
    question: () => Promise<Found | undefined>,
  ): Promise<Found | undefined> {
    underWay.add(network, 1);
    let found: Found | undefined;
    try {
      found = await question();
      return found;
    } finally {
      underWay.add(network, -1);
      if (found === undefined) countInVain().add(network, 1);
    }
  }

  return {
    spend(network, question) {
      const spent = countInVain();
      if (underWay.all() + spent.all() >= AT_ONCE) return 503;
      if (underWay.of(network) + spent.of(network) >= AT_ONCE_OF_ONE) return 429;
      return run(network, question);
    },
  };
}

/** Counts by network, with none that has nothing. */
function createTally() {
  const counts = new Map<string, number>();
  let all = 0;
  const of = (network: string): number => counts.get(network) ?? 0;
  return {
    all: () => all,
    of,
    add(network: string, count: number): void {
      all += count;
      const left = of(network) + count;
      if (left === 0) counts.delete(network);
      else counts.set(network, left);
    },
  };
}

/** An IPv4 address, or the /64 of an IPv6 address, of which one holder has all. */
export function networkOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address;
  const [head = '', tail = ''] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const last = tail === '' ? [] : tail.split(':');
  return [...groups, ...Array<string>(8 - groups.length - last.length).fill('0'), ...last]
    .slice(0, 4)
    .join(':');
}
