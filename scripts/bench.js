// @ts-check
// `npm run bench`: builds, then measures virtstat against its rivals. Arguments go to bench/main.ts.
import { join } from 'node:path';
import { buildWhereStale } from './steps/build.js';
import { endWith } from './steps/main.js';
import { installNpmPackages } from './steps/npm.js';
import { nodeBinary, ROOT } from './steps/project.js';
import { run } from './steps/run.js';

const BENCH_LIMIT_MS = 1_800_000;

await endWith(async () => {
  await installNpmPackages();
  await buildWhereStale();
  const args = ['--expose-gc', join(ROOT, 'bench/main.ts'), ...process.argv.slice(2)];
  const { status } = await run(nodeBinary(), args, { what: 'the benchmark', timeoutMs: BENCH_LIMIT_MS, cwd: ROOT });
  return status;
});
