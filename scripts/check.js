// @ts-check
// `npm run check`: everything that can be said about the project without running it. All checks run, also after one that
// failed; the exit status says whether all passed. `--update-api` (`npm run api`) only writes the reports in etc/ anew.
import { join } from 'node:path';
import { build } from './steps/build.js';
import { endWith } from './steps/main.js';
import { installNpmPackages } from './steps/npm.js';
import { nodeBinary, ROOT } from './steps/project.js';
import { run, say } from './steps/run.js';

const CHECK_LIMIT_MS = 180_000;

/** The public entries, each with its report etc/NAME.api.md. */
const ENTRIES = ['index', 'kvm', 'libvirt', 'openmetrics', 'qmp', 'testing', 'varlink'];

/** @type {readonly (readonly [what: string, tool: string, args: readonly string[]])[]} */
const CHECKS = [
  ['format and lint', 'biome', ['ci', '--colors=off']],
  ['types', 'tsc', ['-p', '.']],
  ['types of the scripts', 'tsc', ['-p', 'scripts']],
  ['layer rule', 'depcruise', ['--config', 'dependency-cruiser.config.js', 'src', 'test', 'bench', 'fuzz']],
  ['dead code', 'knip', ['--no-progress']],
  ['package', 'publint', ['--strict']],
  ['types of the package', 'attw', ['--pack', '.', '--profile', 'esm-only', '--no-emoji', '--no-color']],
  ...ENTRIES.map((entry) => /** @type {const} */ ([`public face of ${entry}`, 'api-extractor', apiArguments(entry)])),
];

const updateApi = process.argv.includes('--update-api');

await endWith(async () => {
  await installNpmPackages();
  await build();
  const failed = [];
  for (const [what, tool, args] of updateApi ? CHECKS.filter(([, tool]) => tool === 'api-extractor') : CHECKS) {
    if (!(await check(what, tool, updateApi ? [...args, '--local'] : args))) failed.push(what);
  }
  if (failed.length > 0) say(`failed: ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
});

/**
 * @param {string} what
 * @param {string} tool
 * @param {readonly string[]} args
 */
async function check(what, tool, args) {
  const startedMs = Date.now();
  // Those that pack must not build again. The tools' first lines say `node`: theirs is to be the one that runs virtstat, also outside of npm.
  const bin = join(ROOT, 'node_modules/.bin');
  const { status, timedOut, output } = await run(join(bin, tool), args, {
    what: tool,
    timeoutMs: CHECK_LIMIT_MS,
    quiet: true,
    cwd: ROOT,
    env: {
      PATH: `${bin}:${join(nodeBinary(), '..')}:${process.env['PATH']}`,
      NO_COLOR: '1',
      npm_config_ignore_scripts: 'true',
    },
  });
  const passed = status === 0 && !timedOut;
  const outcome = passed ? 'ok' : timedOut ? `did not end within ${CHECK_LIMIT_MS / 1000} s` : `FAILED (${status})`;
  console.log(`${what} (${tool}): ${outcome}, ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
  if (!passed) console.log(output.trimEnd());
  return passed;
}

/**
 * @param {string} entry
 */
function apiArguments(entry) {
  return ['run', '--config', `etc/${entry}.api-extractor.json`];
}
