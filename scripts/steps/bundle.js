// @ts-check
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ROOT } from './project.js';

/** The programs of the command line, as tsc leaves them and as they are shipped. */
const PROGRAMS = { virtstat: 'main.js', 'vm-owner': 'demo/vm-owner.js' };

/** Verbs that are long-lived or large: each is a file of its own, so that the quick ones need not read them. */
const VERBS_APART = ['completion', 'demo', 'monitor', 'plot', 'record', 'serve', 'top'];

/** What stays a module of its own: the live screen, whose library is one that only `import` can load. */
const LIVE_SCREEN = 'live/frames.js';

/** What a plot's page runs in a browser, and the file that it is joined into. */
const PLOT_PAGE = { compiled: 'plot/page.js', shipped: 'plot-page.js' };

/** Packages whose code goes into the bundles; their licenses go with it. */
const BUNDLED = ['commander', 'echarts', 'echarts/node_modules/tslib', 'fastest-levenshtein', 'zrender'];

/**
 * Joins the command line into one file for each program, in place of the files that tsc made. Loading some sixty small modules
 * takes Node longer than all that a query does; in one CommonJS file it also gets Node's own modules without their ES facades.
 * @param {string} dist
 */
export async function bundleCommandLine(dist) {
  // Only here: the scripts that need no build run before esbuild is installed.
  const { build } = await import('esbuild');
  const compiled = join(dist, 'cli');
  const bundled = join(dist, '.cli');
  await build({
    entryPoints: Object.fromEntries([
      ...Object.entries(PROGRAMS).map(([name, file]) => [name, join(compiled, file)]),
      ...VERBS_APART.map((verb) => [verb, join(compiled, `verbs/${verb}.js`)]),
    ]),
    outdir: bundled,
    outExtension: { '.js': '.cjs' },
    absWorkingDir: ROOT,
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node22',
    // Names stay, for stack traces; less text is read faster.
    minifySyntax: true,
    minifyWhitespace: true,
    packages: 'bundle',
    external: [
      '@bomb.sh/tab',
      '@bomb.sh/tab/*',
      '@duckdb/node-api',
      '@hono/node-server',
      'bcryptjs',
      'hono',
      'koffi',
      'pino',
      'smol-toml',
      'yaml',
      'zod',
    ],
    define: { 'import.meta.url': 'bundleUrl' },
    banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
    plugins: [
      {
        name: 'bare-builtins',
        setup: ({ onLoad }) =>
          onLoad({ filter: /\/node_modules\/commander\/lib\/.*\.js$/ }, ({ path }) => ({
            contents: withBareBuiltins(readFileSync(path, 'utf8')),
          })),
      },
      {
        name: 'verbs-apart',
        setup: ({ onResolve }) =>
          onResolve({ filter: /^\.\.\/verbs\// }, ({ path }) => {
            const verb = basename(path, '.js');
            return VERBS_APART.includes(verb) ? { path: `./${verb}.cjs`, external: true } : undefined;
          }),
      },
      {
        name: 'live-screen',
        setup: ({ onResolve }) =>
          onResolve({ filter: /\/frames\.js$/ }, () => ({ path: `./${LIVE_SCREEN}`, external: true })),
      },
    ],
    logLevel: 'warning',
  });
  await build({
    entryPoints: [join(compiled, PLOT_PAGE.compiled)],
    outfile: join(bundled, PLOT_PAGE.shipped),
    absWorkingDir: ROOT,
    bundle: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    logLevel: 'warning',
  });
  mkdirSync(join(bundled, 'live'));
  copyFileSync(join(compiled, LIVE_SCREEN), join(bundled, LIVE_SCREEN));
  writeFileSync(join(bundled, 'LICENSES.txt'), BUNDLED.map(licenseOf).join('\n'));
  rmSync(compiled, { recursive: true });
  renameSync(bundled, compiled);
}

/**
 * Default imports of Node's own modules as what they are: as an import each would be copied, getter by getter. What starts
 * processes is loaded when a process is started: no command of ours is a program of its own.
 * @param {string} code
 */
function withBareBuiltins(code) {
  return code.replace(/^import (\w+) from '(node:\w+)';$/gm, (_line, name, id) =>
    id === 'node:child_process'
      ? `const ${name} = { spawn: (...all) => globalThis.process.getBuiltinModule('${id}').spawn(...all) };`
      : `const ${name} = globalThis.process.getBuiltinModule('${id}');`,
  );
}

/**
 * @param {string} name of a package
 */
function licenseOf(name) {
  const folder = join(ROOT, 'node_modules', name);
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = ['LICENSE', 'LICENSE.md', 'LICENSE.txt']
    .map((each) => join(folder, each))
    .find((path) => existsSync(path));
  if (file === undefined) throw new Error(`${name} has no license file`);
  const notice = join(folder, 'NOTICE');
  const texts = existsSync(notice) ? [file, notice] : [file];
  return `${name} ${version}, part of this program:\n\n${texts.map((path) => readFileSync(path, 'utf8')).join('\n')}`;
}
