import { expect, it } from '@jest/globals';
import { outdatedDocuments } from './manifest-reference.ts';

it('are what core/manifest gives: if not, run "npm run manifest-reference"', async () => {
  expect(await outdatedDocuments()).toEqual([]);
});
