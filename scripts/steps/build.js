// @ts-check
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleCommandLine } from './bundle.js';
import { latestModifiedMs, modifiedMs, nodeBinary, ROOT } from './project.js';
import { run, StepError, say } from './run.js';

const BUILD_LIMIT_MS = 120_000;
const STAMP = join(ROOT, 'dist/.built');

/** Compiles src/ into dist/ where anything in it is newer than the last build. */
export async function buildWhereStale() {
  if (modifiedMs(STAMP) > newestInputMs()) return;
  say('building');
  await build();
}

/** Compiles src/ into dist/ and joins the command line. The old dist/ stays until the new one is whole. */
export async function build() {
  const startedMs = newestInputMs();
  const fresh = join(ROOT, `.dist-${process.pid}`);
  try {
    const { status, timedOut, output } = await run(
      nodeBinary(),
      [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', fresh],
      { what: 'tsc', timeoutMs: BUILD_LIMIT_MS, quiet: true, cwd: ROOT },
    );
    if (timedOut) throw new StepError(`tsc did not end within ${BUILD_LIMIT_MS / 1000} s`);
    if (status !== 0) throw new StepError(`src does not compile:\n${output.trimEnd()}`);
    await bundleCommandLine(fresh);
    if (newestInputMs() === startedMs) writeFileSync(join(fresh, '.built'), '');
    rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
    renameSync(fresh, join(ROOT, 'dist'));
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function newestInputMs() {
  const settings = [
    'tsconfig.json',
    'tsconfig.build.json',
    'scripts/steps/bundle.js',
    'node_modules/.package-lock.json',
  ];
  return Math.max(latestModifiedMs(join(ROOT, 'src')), ...settings.map((name) => modifiedMs(join(ROOT, name))));
}
