/** Callers that ask for the same thing while it is being made share one making of it. */
export type Coalescer = <Result>(key: string, make: () => Promise<Result>) => Promise<Result>;

export function createCoalescer(): Coalescer {
  const running = new Map<string, Promise<unknown>>();
  return <Result>(key: string, make: () => Promise<Result>) => {
    const known = running.get(key) as Promise<Result> | undefined;
    if (known !== undefined) return known;
    const made = make().finally(() => running.delete(key));
    running.set(key, made);
    return made;
  };
}
