import { describe } from '@jest/globals';

/** Skipped where containers-setup.ts found that there can be no Docker, which it says. */
export const describeWithDocker = process.env['TEST_WITHOUT_DOCKER'] === undefined ? describe : describe.skip;
