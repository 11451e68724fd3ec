import { readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';
import { GUEST_TYPES, guestTypes } from './guest-types.ts';

it('are those that wit/ gives: if not, run "npm run guest-types"', async () => {
  expect(await readFile(GUEST_TYPES, 'utf8')).toBe(await guestTypes());
});
