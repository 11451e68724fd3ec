// Module code runs once, when the component is built, and every execution begins with what it left. A time or a random number among it would be the same for
// all of them, for good: so a build that reads one fails.

let building = true;
const restore: (() => unknown)[] = [];

/** For a holder that the engine may lack. What module code takes of it and keeps works once the build is over. */
function guard(holder: object | undefined, name: string, read: string): void {
  const real: unknown = holder && Reflect.get(holder, name);
  if (!holder || typeof real !== 'function') return;
  const refuse = (): void => {
    if (building) {
      throw new Error(
        `${read} is read by module code, which runs while the extension is built: every execution would get the same. Read it in handler.`,
      );
    }
  };
  const guarded: unknown = new Proxy(real, {
    apply(target, self, args) {
      refuse();
      return Reflect.apply(target, self, args) as unknown;
    },
    construct(target, args, newTarget) {
      // `new Date(0)` is a fixed time.
      if (args.length === 0) refuse();
      return Reflect.construct(target, args, newTarget) as object;
    },
  });
  Reflect.set(holder, name, guarded);
  restore.push(() => Reflect.set(holder, name, real));
}

const { crypto, performance } = globalThis as {
  crypto?: Partial<Crypto>;
  performance?: Partial<Performance>;
};
guard(Math, 'random', 'Math.random');
guard(crypto, 'getRandomValues', 'crypto.getRandomValues');
guard(crypto, 'randomUUID', 'crypto.randomUUID');
guard(Date, 'now', 'Date.now');
guard(globalThis, 'Date', 'Date');
guard(performance, 'now', 'performance.now');

export function endBuild(): void {
  building = false;
  for (const one of restore.splice(0)) one();
}
