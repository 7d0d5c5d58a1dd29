// @ts-check
// Proves that the package works for those who install it: packs it, installs it into an empty folder, runs it there.
// Usage: node scripts/package.js FOLDER
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { endWith } from './steps/main.js';
import { installNpmPackages, npm, npmComplaint } from './steps/npm.js';
import { nodeBinary } from './steps/project.js';
import { mustRun, StepError } from './steps/run.js';

const NPM_LIMIT_MS = 180_000;
const RUN_LIMIT_MS = 20_000;

/** The public entries, as those who use them name them. */
const ENTRIES = [
  'virtstat',
  'virtstat/kvm',
  'virtstat/libvirt',
  'virtstat/qmp',
  'virtstat/testing',
  'virtstat/varlink',
];

await endWith(async () => {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new StepError('package.js needs the folder to work in');
  await installNpmPackages();
  const packed = await mustNpm(['pack', '--silent', '--pack-destination', resolve(folder)]);
  const tarball = packed.trim().split('\n').at(-1) ?? '';
  const user = join(resolve(folder), 'user');
  mkdirSync(user, { recursive: true });
  writeFileSync(join(user, 'package.json'), '{ "private": true, "type": "module" }\n');
  await mustNpm(['install', '--no-audit', '--no-fund', join(resolve(folder), tarball)], user);

  const inUser = { timeoutMs: RUN_LIMIT_MS, quiet: true, cwd: user };
  const command = join(user, 'node_modules/.bin/virtstat');
  const version = await mustRun(nodeBinary(), [command, '--version'], { ...inUser, what: 'virtstat --version' });
  if (!/^\d+\.\d+\.\d+\n$/.test(version)) throw new StepError(`virtstat --version prints ${JSON.stringify(version)}`);
  for (const entry of ENTRIES) {
    const code = `const entry = await import('${entry}'); if (Object.keys(entry).length === 0) process.exit(1);`;
    await mustRun(nodeBinary(), ['--input-type=module', '-e', code], { ...inUser, what: `import of ${entry}` });
  }
  console.log(`${tarball}: virtstat ${version.trim()} runs, and ${ENTRIES.join(', ')} can be imported`);
  return 0;
});

/**
 * @param {readonly string[]} args
 * @param {string} [cwd]
 */
async function mustNpm(args, cwd) {
  const { status, output } = await npm(args, NPM_LIMIT_MS, cwd);
  if (status !== 0) throw new StepError(`npm ${args[0]} failed with status ${status}: ${npmComplaint(output)}`);
  return output;
}
