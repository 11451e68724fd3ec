/** One activity call as a workflow made it. */
export interface ActivityCall {
  name: string;
  input: Record<string, unknown>;
}

type Fake<Input, Result> = (input: Input) => Result | Promise<Result>;
type Fakes<Activities> = {
  [Name in keyof Activities]: Activities[Name] extends (input: infer Input) => Promise<infer Result>
    ? Fake<Input, Result>
    : never;
};

export interface ActivityScript<Activities> {
  /** For a worker. */
  activities: Record<string, (input: never) => Promise<unknown>>;
  calls: ActivityCall[];
  /** Names of the calls so far, in order. */
  names(): string[];
  inputOf(name: string): Record<string, unknown>;
  /** Replaces fakes until the next `reset`. */
  script(overrides: Partial<Fakes<Activities>>): void;
  reset(): void;
}

/** Fake activities that work and are recorded; a test says what differs. */
export function scriptActivities<Activities>(defaults: Fakes<Activities>): ActivityScript<Activities> {
  const calls: ActivityCall[] = [];
  let current = defaults;
  const activities = Object.fromEntries(
    Object.keys(defaults).map((name) => [
      name,
      (input: never) => {
        calls.push({ name, input });
        const fake = current[name as keyof Activities] as Fake<never, unknown>;
        return new Promise((resolve) => resolve(fake(input)));
      },
    ]),
  );
  return {
    activities,
    calls,
    names: () => calls.map(({ name }) => name),
    inputOf(name) {
      const call = calls.findLast((candidate) => candidate.name === name);
      if (!call) throw new Error(`${name} was not called`);
      return call.input;
    },
    script(overrides) {
      current = { ...defaults, ...overrides };
    },
    reset() {
      current = defaults;
      calls.length = 0;
    },
  };
}
