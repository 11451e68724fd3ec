import { describe, expect, it } from '@jest/globals';
import type { Kind, Sent } from '../storm/record.ts';
import { canLeadTo } from './expectations.ts';

let n = 0;
const sent = (
  kind: Kind,
  at: number,
  answeredAt: number,
  status: number,
  more: Partial<Sent> = {},
): Sent => ({
  n: (n += 1),
  kind,
  tenantId: 't',
  method: 'POST',
  route: '',
  mark: '',
  about: {},
  at,
  answeredAt,
  status,
  ...more,
});
const installed = sent('install', 0, 1, 201);

describe('what an install may be after what was answered', () => {
  it('is what the last one that was done led to', () => {
    const acts = [installed, sent('pause', 2, 3, 200)];
    expect(canLeadTo(acts, 'paused')).toBe(true);
    expect(canLeadTo(acts, 'active')).toBe(false);
  });

  it('is either of two that met', () => {
    const acts = [installed, sent('pause', 2, 5, 200), sent('disable', 3, 4, 200)];
    expect(canLeadTo(acts, 'disabled')).toBe(true);
    const other = [
      installed,
      sent('disable', 2, 3, 200),
      sent('enable', 4, 9, 200),
      sent('pause', 5, 8, 200),
    ];
    expect(canLeadTo(other, 'paused')).toBe(true);
    expect(canLeadTo(other, 'active')).toBe(false);
  });

  it('is not what was refused, and may be what nobody knows of', () => {
    expect(canLeadTo([installed, sent('disable', 2, 3, 409)], 'disabled')).toBe(false);
    const perhaps = [installed, sent('disable', 2, 3, 202), sent('pause', 4, 5, 200)];
    expect(canLeadTo(perhaps, 'paused')).toBe(true);
    expect(canLeadTo(perhaps, 'disabled')).toBe(true);
    expect(canLeadTo(perhaps, 'active')).toBe(false);
  });

  it('is after a restore what it was before', () => {
    const acts = [
      installed,
      sent('pause', 2, 3, 200),
      sent('uninstall', 4, 5, 200),
      sent('restore', 6, 7, 200),
    ];
    expect(canLeadTo(acts, 'paused')).toBe(true);
    expect(canLeadTo(acts, 'active')).toBe(false);
    expect(canLeadTo(acts.slice(0, 3), 'uninstalled')).toBe(true);
  });

  it('is on the way as long as nobody has decided', () => {
    const grant = sent('consent', 2, 3, 200, { about: { decision: 'grant' } });
    const waits = sent('install', 0, 1, 202);
    expect(canLeadTo([waits], 'awaiting-consent')).toBe(true);
    expect(canLeadTo([waits, grant], 'declined')).toBe(false);
    expect(canLeadTo([waits, { ...grant, about: { decision: 'decline' } }], 'declined')).toBe(true);
  });

  it('is what two led to who asked for the same at once', () => {
    const waits = sent('install', 0, 1, 202);
    const decide = (decision: string) => sent('consent', 2, 3, 200, { about: { decision } });
    expect(canLeadTo([waits, decide('decline'), decide('decline')], 'declined')).toBe(true);
    expect(canLeadTo([waits, decide('grant'), decide('grant')], 'active')).toBe(true);
    const restored = [sent('uninstall', 2, 3, 200), sent('restore', 4, 6, 200), sent('restore', 5, 7, 200)];
    expect(canLeadTo([installed, ...restored], 'active')).toBe(true);
  });
});
