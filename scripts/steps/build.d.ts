/** Compiles src/ into dist/ where anything in it is newer than the last build. */
export function buildWhereStale(): Promise<void>;

/** Compiles src/ into dist/. The old dist/ stays until the new one is whole. */
export function build(): Promise<void>;
