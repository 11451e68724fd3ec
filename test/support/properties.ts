import fc from 'fast-check';

// A run gives all its tests one seed, and the same to what it tries a second time, so that no property that fails is hidden by another draw.
const seed = process.env['TEST_SEED'];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

export { fc };
