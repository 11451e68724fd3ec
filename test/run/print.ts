import type { FileOutcome } from './jest-messages.ts';
import type { Peak } from './process-watch.ts';
import type { ScriptOutcome } from './run-script.ts';
import type { Flaky, Tally } from './tally.ts';

const LONGEST_TEXT = 3_000;
const SLOWEST = 10;

export function printFile({ file, seconds, passed, skipped, failures, printed }: FileOutcome): void {
  const counts = [`${passed} passed`];
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`);
  if (failures.length > 0) counts.push(`${failures.length} failed`);
  console.log(
    `${failures.length > 0 ? 'FAIL' : 'ok  '} ${file}: ${counts.join(', ')} in ${seconds.toFixed(1)} s`,
  );
  for (const message of printed) console.log(indent(cut(message)));
  for (const { test, text } of failures) console.log(indent(`${test}\n${indent(cut(text))}`));
}

export function printScript({ name, succeeded, seconds, output }: ScriptOutcome): void {
  console.log(`${succeeded ? 'ok  ' : 'FAIL'} npm run ${name} in ${seconds.toFixed(1)} s`);
  if (!succeeded) console.log(indent(output));
}

export interface Summary {
  /** Seconds by name. */
  phases: Readonly<Record<string, number>>;
  files: readonly FileOutcome[];
  peaks: readonly Peak[];
  tally: Tally;
  /** Of checks, which count as one test each. */
  checks: readonly ScriptOutcome[];
}

/** The end of a run's output; its last line says how it went. */
export function printSummary({ phases, files, peaks, tally, checks }: Summary): void {
  const { skipped, flaky, failed, passed } = tally;
  console.log('\nminutes by phase');
  for (const [phase, seconds] of Object.entries(phases))
    console.log(`  ${(seconds / 60).toFixed(1).padStart(5)}  ${phase}`);
  console.log('slowest, in seconds');
  const slowest = [...files].sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
  for (const { file, seconds } of slowest) console.log(`  ${seconds.toFixed(1).padStart(5)}  ${file}`);
  if (peaks.length > 0) console.log('largest processes, in MiB');
  for (const { command, bytes } of peaks)
    console.log(`  ${String(Math.round(bytes / 2 ** 20)).padStart(5)}  ${command}`);
  for (const name of skipped) console.log(`skipped: ${name}`);
  for (const one of flaky) console.log(described('flaky', one));
  for (const one of failed) console.log(described('failed', one));
  for (const { name } of checks.filter(({ succeeded }) => !succeeded)) console.log(`failed: npm run ${name}`);
  const good = checks.filter(({ succeeded }) => succeeded).length;
  console.log(`${passed + good} passed, ${failed.length + checks.length - good} failed`);
}

function described(how: string, { file, test, text }: Flaky): string {
  return `${how}: ${file} › ${test}\n${indent(cut(text))}`;
}

function cut(text: string): string {
  return text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT)}\n[cut]`;
}

function indent(text: string): string {
  return text.trimEnd().replaceAll(/^/gm, '    ');
}
