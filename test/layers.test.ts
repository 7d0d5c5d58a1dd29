import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = new URL('..', import.meta.url).pathname;
const DEPCRUISE = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
const DEVELOPMENT_PACKAGES = ['fast-check'];
const PACKAGES = [
  'koffi',
  'fastest-levenshtein',
  'commander',
  'ink',
  'react',
  'pino',
  'zod',
  'smol-toml',
  '@duckdb/node-api',
];

/** A file of a small wrong source tree, what it imports, and the rule that this breaks. */
type Case = readonly [file: string, imports: string, rule: string];

const WRONG: readonly Case[] = [
  ['src/model/up.ts', '../protocol/right.ts', 'model-rooms'],
  ['src/model/core.ts', 'node:util', 'model-core'],
  ['src/model/package.ts', 'fastest-levenshtein', 'model-packages'],
  ['src/protocol/up.ts', '../host/right.ts', 'protocol-rooms'],
  ['src/protocol/net.ts', 'node:net', 'protocol-core'],
  ['src/protocol/fs.ts', 'node:fs/promises', 'protocol-core'],
  ['src/protocol/package.ts', 'koffi', 'protocol-packages'],
  ['src/host/up.ts', '../protocol/right.ts', 'host-rooms'],
  ['src/host/package.ts', 'commander', 'host-packages'],
  ['src/source/up.ts', '../registry/right.ts', 'source-rooms'],
  ['src/source/core.ts', 'node:fs', 'source-core'],
  ['src/source/package.ts', 'koffi', 'source-packages'],
  ['src/registry/side.ts', '../source/right.ts', 'registry-rooms'],
  ['src/registry/down.ts', '../protocol/right.ts', 'registry-rooms'],
  ['src/registry/core.ts', 'node:net', 'registry-core'],
  ['src/registry/package.ts', 'ink', 'registry-packages'],
  ['src/metrics/up.ts', '../face/right.ts', 'metrics-rooms'],
  ['src/metrics/core.ts', 'node:fs', 'metrics-core'],
  ['src/metrics/package.ts', 'koffi', 'metrics-packages'],
  ...['face', 'export', 'history'].flatMap((room): Case[] => [
    [`src/${room}/source.ts`, '../source/right.ts', `${room}-rooms`],
    [`src/${room}/core.ts`, 'node:http', `${room}-core`],
    [`src/${room}/package.ts`, 'commander', `${room}-packages`],
  ]),
  ['src/daemon/up.ts', '../cli/right.ts', 'daemon-rooms'],
  ['src/daemon/core.ts', 'node:net', 'daemon-core'],
  ['src/daemon/package.ts', 'commander', 'daemon-packages'],
  ['src/cli/testing.ts', '../testing/right.ts', 'cli-rooms'],
  ['src/cli/core.ts', 'node:net', 'cli-core'],
  ['src/cli/package.ts', 'koffi', 'cli-packages'],
  ['src/face/log.ts', 'pino', 'face-packages'],
  ['src/testing/up.ts', '../cli/right.ts', 'testing-rooms'],
  ['src/testing/package.ts', 'koffi', 'testing-packages'],
  ['src/model/entry.ts', '../entry.ts', 'model-rooms'],
  ['src/wrong-entry.ts', './cli/right.ts', 'entries-leave-cli'],
  ['src/core-entry.ts', 'node:fs', 'entries-only-assemble'],
  ['src/host/test.ts', './right.test.ts', 'tests-stay-apart'],
  ['src/host/cycle-a.ts', './cycle-b.ts', 'no-cycles'],
  ['src/host/development.ts', 'fast-check', 'host-packages'],
  ['src/host/development.ts', 'fast-check', 'no-development-packages'],
  ['src/history/early.ts', '@duckdb/node-api', 'duckdb-on-demand'],
  ['src/host/missing.ts', './not-there.ts', 'all-resolve'],
  ['src/attic/right.ts', './other.ts', 'rooms-are-known'],
];

/** Imports that no rule may forbid. */
const RIGHT: readonly (readonly [file: string, imports: string])[] = [
  ['src/protocol/good.ts', '../model/right.ts'],
  ['src/protocol/pure.ts', 'node:buffer'],
  ['src/host/good.ts', '../model/right.ts'],
  ['src/host/core.ts', 'node:net'],
  ['src/host/ffi.ts', 'koffi'],
  ['src/source/good.ts', '../protocol/right.ts'],
  ['src/source/good-host.ts', '../host/right.ts'],
  ['src/source/recorded.ts', '../history/right.ts'],
  ['src/registry/good.ts', '../host/right.ts'],
  ['src/registry/nearest.ts', 'fastest-levenshtein'],
  ['src/face/good.ts', '../registry/right.ts'],
  ['src/daemon/good.ts', '../source/right.ts'],
  ['src/daemon/log.ts', 'pino'],
  ['src/daemon/check.ts', 'zod'],
  ['src/daemon/file.ts', 'smol-toml'],
  ['src/cli/good.ts', '../daemon/right.ts'],
  ['src/cli/arguments.ts', 'commander'],
  ['src/cli/ink.tsx', 'ink'],
  ['src/testing/good.ts', '../daemon/right.ts'],
  ['src/testing/core.ts', 'node:net'],
  ['src/entry.ts', './source/right.ts'],
  ['src/host/beside.test.ts', 'node:child_process'],
  ['src/model/beside.test.ts', '../testing/right.ts'],
];

/** What the tool reports, as far as it is read here. */
interface Report {
  readonly violations: readonly { readonly from: string; readonly rule: { readonly name: string } }[];
  readonly ruleSetUsed: { readonly forbidden: readonly { readonly name: string }[] };
}

let folder: string;

function any(packages: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(packages.map((name) => [name, '1.0.0']));
}

/** Runs the tool with the project's own rules over a tree of such source files. */
function report(name: string, files: readonly (readonly [string, string, ...string[]])[]): Report {
  const tree = join(folder, name);
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  };
  write('package.json', JSON.stringify({ dependencies: any(PACKAGES), devDependencies: any(DEVELOPMENT_PACKAGES) }));
  for (const each of [...PACKAGES, ...DEVELOPMENT_PACKAGES]) {
    write(`node_modules/${each}/package.json`, JSON.stringify({ name: each, version: '1.0.0', main: 'index.js' }));
    write(`node_modules/${each}/index.js`, 'module.exports = 1;\n');
  }
  const rooms = ['model', 'protocol', 'host', 'history', 'source', 'registry', 'face', 'daemon', 'cli', 'testing'];
  for (const room of rooms) write(`src/${room}/right.ts`, 'export const right = 1;\n');
  write('src/host/right.test.ts', 'export const right = 1;\n');
  write('src/attic/other.ts', 'export const right = 1;\n');
  write('src/entry.ts', 'export const right = 1;\n');
  write('src/host/cycle-b.ts', name === 'wrong' ? "import './cycle-a.ts';\n" : '');
  for (const [file, imports] of files)
    write(file, `import * as wrong from '${imports}';\nexport const used = wrong;\n`);
  for (const settings of ['dependency-cruiser.config.js', 'tsconfig.json'])
    cpSync(join(ROOT, settings), join(tree, settings));
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [DEPCRUISE, '--config', 'dependency-cruiser.config.js', '--output-type', 'json', 'src'],
    { cwd: tree, encoding: 'utf8', timeout: 60_000, maxBuffer: 1 << 26 },
  );
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout).summary;
}

/** The rules that were broken, as `file rule`. */
function broken({ violations }: Report): readonly string[] {
  return [...new Set(violations.map(({ from, rule }) => `${from} ${rule.name}`))].sort();
}

describe('the layer rule', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'virtstat-layers-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('finds every wrong import, and each by its own rule', () => {
    const expected = WRONG.map(([file, , rule]) => `${file} ${rule}`).sort();
    expect(broken(report('wrong', WRONG))).toEqual(expected);
  });

  it('lets the right ones pass', () => {
    expect(broken(report('right', RIGHT))).toEqual([]);
  });

  it('has a wrong import above for every rule', () => {
    const tested = new Set(WRONG.map(([, , rule]) => rule));
    const rules = report('rules', []).ruleSetUsed.forbidden.map(({ name }) => name);
    expect(rules.filter((name) => !tested.has(name))).toEqual([]);
    expect(rules).toHaveLength(tested.size);
  });
});
