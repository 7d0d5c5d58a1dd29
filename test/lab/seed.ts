import fc from 'fast-check';

/**
 * Property tests begin with the same seed every time, so that a red run is a change's own doing and can be repeated.
 * `VIRTSTAT_SEED=random` looks further, and any number looks elsewhere.
 */
const SEED = process.env['VIRTSTAT_SEED'] ?? '20261121';

if (SEED !== 'random') fc.configureGlobal({ seed: Number(SEED) });
