import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts';
import { copyRepository, followGuide, readGuide } from '../support/how-to.ts';

// A guide is a worked example: whoever does what its blocks say, in a checkout of their own, ends with code that passes its checks.

const FOLDER = path.resolve('docs/how-to');
const GUIDE_TIMEOUT_MS = 10 * 60_000; // seconds on a quiet machine

let folder: string;
let database: TestDatabase;
beforeEach(async () => {
  folder = await copyRepository();
  database = await createEmptyDatabase('how_to');
});
afterEach(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});

const follow = (markdown: string): Promise<void> => {
  const { TEST_DATABASE_URL, TEST_TEMPORAL_ADDRESS } = process.env;
  const services = { TEST_DATABASE_URL, TEST_TEMPORAL_ADDRESS, DATABASE_URL: database.url };
  return followGuide(readGuide(markdown), folder, services);
};

describe('each how-to guide', () => {
  it.each(readdirSync(FOLDER))(
    '%s leads to code that works',
    async (guide) => {
      const markdown = readFileSync(path.join(FOLDER, guide), 'utf8');
      expect(readGuide(markdown).map(({ kind }) => kind)).toContain('run');
      await follow(markdown);
    },
    GUIDE_TIMEOUT_MS,
  );
});
