import { describe, expect, it } from '@jest/globals';
import { pendingSteps, stepsWhenBegun, type Step } from './progress.ts';
import { failureText, storyText } from './story.ts';

const failed: Step[] = [
  { name: 'open', status: 'undone', attempts: 1 },
  { name: 'consent', status: 'undone', attempts: 1 },
  { name: 'warm', status: 'done', attempts: 2, startedAt: '2026-01-01T00:00:00.000Z' },
  {
    name: 'probe',
    status: 'failed',
    attempts: 3,
    error: {
      code: 'HEALTH_CHECK_FAILED',
      message: 'GET /health must answer 2xx within 5 s; it answered 500',
    },
  },
];

describe('the story of a workflow', () => {
  it('begins with what runs, or with what it waits to begin', () => {
    const steps = pendingSteps(['open', 'warm']);
    expect(storyText(steps)).toBe('**Before open**\n\n- open: pending\n- warm: pending');
    const running = stepsWhenBegun(steps, 'open', 'T');
    expect(storyText(running, 'It is a note.')).toBe(
      '**Running: open**\n\nIt is a note.\n\n- open: running since T\n- warm: pending',
    );
    expect(storyText([{ name: 'open', status: 'done', attempts: 1 }])).toContain('**Done**');
  });

  it('tells of a failure what failed, after how many attempts, what was undone and what to do', () => {
    const text = failureText(failed);
    expect(text).toContain('probe failed after 3 attempts: GET /health must answer 2xx within 5 s');
    expect(text).toContain('(HEALTH_CHECK_FAILED)');
    expect(text).toContain('Undone: consent, open.');
    expect(text).toContain('What to do: call the health endpoint');
    expect(storyText(failed)).toContain(`**Failed.** ${text}`);
    expect(storyText(failed)).toContain('- warm: done, 2 attempts');
  });

  it('says how long a step took', () => {
    const step = { name: 'a', status: 'done' as const, attempts: 1 };
    const times = { startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:00:00.250Z' };
    expect(storyText([{ ...step, ...times }])).toContain('- a: done, 250 ms');
  });

  it('does not invent a failure where nothing failed', () => {
    expect(failureText([{ name: 'open', status: 'done', attempts: 1 }])).toBeUndefined();
  });
});
