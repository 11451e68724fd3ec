import { adviceFor } from './advice.ts';
import type { Step } from './progress.ts';

/** What an operator reads of a workflow: Markdown, a headline and then its steps. `note` is what the steps do not tell. */
export function storyText(steps: readonly Step[], note?: string): string {
  return [headline(steps), ...(note === undefined ? [] : [note]), steps.map(line).join('\n')].join('\n\n');
}

/**
 * Of a workflow that failed: what failed, after how many attempts, what was undone and what to do. Undefined if none of its steps did.
 */
export function failureText(steps: readonly Step[]): string | undefined {
  const failed = steps.find(({ status }) => status === 'failed');
  if (!failed?.error) return undefined;
  const { name, attempts, error } = failed;
  const undone = steps.filter(({ status }) => status === 'undone').map((step) => step.name);
  return [
    `${name} failed after ${attempts} attempt${attempts === 1 ? '' : 's'}: ${error.message} (${error.code}).`,
    undone.length === 0 ? 'There was nothing to undo.' : `Undone: ${undone.reverse().join(', ')}.`,
    `What to do: ${adviceFor(error.code)}.`,
  ].join(' ');
}

function headline(steps: readonly Step[]): string {
  const failure = failureText(steps);
  if (failure !== undefined) return `**Failed.** ${failure}`;
  const running = steps.find(({ status }) => status === 'running');
  if (running) return `**Running: ${running.name}**`;
  const pending = steps.find(({ status }) => status === 'pending');
  return pending ? `**Before ${pending.name}**` : '**Done**';
}

function line({ name, status, attempts, startedAt, endedAt }: Step): string {
  const tried = attempts > 1 ? `, ${attempts} attempts` : '';
  const since = status === 'running' && startedAt !== undefined ? ` since ${startedAt}` : '';
  const took =
    startedAt !== undefined && endedAt !== undefined
      ? `, ${Date.parse(endedAt) - Date.parse(startedAt)} ms`
      : '';
  return `- ${name}: ${status}${since}${tried}${took}`;
}
