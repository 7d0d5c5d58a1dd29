// @ts-check
// `npm run fuzz`: gives made inputs to the parsers of bytes from outside. Arguments go to fuzz/main.ts.
import { join } from 'node:path';
import { endWith } from './steps/main.js';
import { installNpmPackages } from './steps/npm.js';
import { nodeBinary, ROOT } from './steps/project.js';
import { run } from './steps/run.js';

/** How long may be asked for is the caller's business: a week of each target. */
const FUZZ_LIMIT_MS = 2_000_000_000;

await endWith(async () => {
  await installNpmPackages();
  const args = [join(ROOT, 'fuzz/main.ts'), ...process.argv.slice(2)];
  const { status } = await run(nodeBinary(), args, { what: 'the fuzz run', timeoutMs: FUZZ_LIMIT_MS, cwd: ROOT });
  return status;
});
