/** What is to be reached: at least, or at most. */
export type Bar = { atLeast: number; stretch: number } | { atMost: number; stretch: number };

export function median(figures: readonly number[]): number {
  return at(figures, 0.5);
}

/** The figure that so large a share of all is below. */
export function at(figures: readonly number[], share: number): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The columns that say whether a figure reaches its bar; one that does not makes the run exit with 1. */
export function judge(figure: number, bar: Bar): { 'bar, stretch': string; verdict: string } {
  const reaches = (goal: number): boolean => ('atLeast' in bar ? figure >= goal : figure <= goal);
  const [sign, goal] = 'atLeast' in bar ? (['≥', bar.atLeast] as const) : (['≤', bar.atMost] as const);
  const columns = { 'bar, stretch': `${sign} ${goal}, ${bar.stretch}` };
  if (reaches(bar.stretch)) return { ...columns, verdict: 'stretch reached' };
  if (reaches(goal)) return { ...columns, verdict: 'bar reached' };
  process.exitCode = 1;
  return { ...columns, verdict: 'missed' };
}
