// @ts-check
// The layer rule, as a table: data flows one way, and a room imports only what its row names. ARCHITECTURE.md says why.
//
//   model  <-  protocol, host  <-  history  <-  source, registry  <-  metrics  <-  face, export  <-  daemon  <-  cli

/** Parts of Node.js that compute and touch nothing outside the process. */
const PURE = [
  'assert',
  'buffer',
  'crypto',
  'events',
  'path',
  'perf_hooks',
  'string_decoder',
  'timers',
  'url',
  'util',
  'zlib',
];

/** Parts of Node.js that talk to the person at the terminal. */
const TERMINAL = ['process', 'readline', 'tty'];

/**
 * @typedef {object} Room
 * @property {readonly string[]} rooms other folders of src/ that it may import from
 * @property {readonly string[]} core parts of Node.js; `*`: any
 * @property {readonly string[]} packages npm packages
 */

/** @type {Readonly<Record<string, Room>>} */
const ROOMS = {
  model: { rooms: [], core: [], packages: [] },
  protocol: { rooms: ['model'], core: PURE, packages: ['@bufbuild/protobuf', 'snappyjs'] },
  host: { rooms: ['model'], core: ['*'], packages: ['koffi', '@hono/node-server'] },
  source: { rooms: ['model', 'protocol', 'host', 'history'], core: PURE, packages: [] },
  registry: { rooms: ['model', 'host'], core: PURE, packages: ['fastest-levenshtein'] },
  metrics: { rooms: ['model', 'protocol', 'registry'], core: PURE, packages: [] },
  face: { rooms: ['model', 'protocol', 'host', 'registry', 'metrics'], core: PURE, packages: ['hono', 'bcryptjs'] },
  export: { rooms: ['model', 'protocol', 'host', 'registry', 'metrics'], core: PURE, packages: [] },
  // DuckDB is an optional peer: its types may be named anywhere in the room, itself it is loaded with `await import()` alone.
  history: { rooms: ['model', 'host'], core: PURE, packages: ['@duckdb/node-api'] },
  daemon: {
    rooms: ['model', 'protocol', 'host', 'source', 'registry', 'metrics', 'face', 'export', 'history'],
    core: PURE,
    packages: ['pino', 'smol-toml', 'yaml', 'zod'],
  },
  cli: {
    rooms: ['model', 'protocol', 'host', 'source', 'registry', 'metrics', 'face', 'export', 'history', 'daemon'],
    core: [...PURE, ...TERMINAL],
    packages: ['commander', '@commander-js/extra-typings', 'echarts', 'ink', 'react', '@bomb.sh/tab'],
  },
  // Fake peers, public as virtstat/testing.
  testing: {
    rooms: ['model', 'protocol', 'host', 'source', 'registry', 'metrics', 'face', 'export', 'history', 'daemon'],
    core: ['*'],
    packages: [],
  },
};

/** Unit tests lie beside their source and may use what they need. */
const TESTS = '\\.test\\.tsx?$';

/**
 * @param {string} room
 * @param {Room} row
 */
function rulesOf(room, { rooms, core, packages }) {
  const from = { path: `^src/${room}/`, pathNot: TESTS };
  const own = [room, ...rooms].join('|');
  const list = (/** @type {readonly string[]} */ names) => names.join(', ') || 'nothing';
  /** @type {import('dependency-cruiser').IForbiddenRuleType[]} */
  const rules = [
    {
      name: `${room}-rooms`,
      comment: `${room} imports from these rooms only: ${list(rooms)}.`,
      from,
      to: { path: '^src/', pathNot: `^src/(${own})/` },
    },
    {
      name: `${room}-packages`,
      comment: `${room} uses these npm packages only: ${list(packages)}.`,
      from,
      to: { path: 'node_modules/', pathNot: `node_modules/(@types/)?(${['none', ...packages].join('|')})/` },
    },
  ];
  if (!core.includes('*')) {
    rules.push({
      name: `${room}-core`,
      comment: `${room} uses these parts of Node.js only: ${list(core)}. The host room is the one that touches the system.`,
      from,
      to: { dependencyTypes: ['core'], pathNot: `^(node:)?(${['none', ...core].join('|')})(/|$)` },
    });
  }
  return rules;
}

/** @type {import('dependency-cruiser').IForbiddenRuleType[]} */
const RULES = [
  ...Object.entries(ROOMS).flatMap(([room, row]) => rulesOf(room, row)),
  {
    name: 'rooms-are-known',
    comment: 'Every folder of src/ has its row in this table.',
    from: {},
    to: { path: '^src/[^/]+/', pathNot: `^src/(${Object.keys(ROOMS).join('|')})/` },
  },
  {
    name: 'entries-leave-cli',
    comment: 'A public entry offers the library, not the command line.',
    from: { path: '^src/[^/]+$' },
    to: { path: '^src/cli/' },
  },
  {
    name: 'entries-only-assemble',
    comment: 'A public entry only puts rooms together.',
    from: { path: '^src/[^/]+$', pathNot: TESTS },
    to: { pathNot: '^src/' },
  },
  {
    name: 'tests-stay-apart',
    comment: 'Nothing imports a test, and nothing in src/ imports from test/, bench/, fuzz/ or scripts/.',
    from: { path: '^src/' },
    to: { path: `${TESTS}|^(test|bench|fuzz|scripts)/` },
  },
  {
    name: 'no-cycles',
    comment: 'No module needs itself, in values or types; what it loads later, on demand, may name it.',
    from: {},
    to: { circular: true, viaOnly: { dependencyTypesNot: ['dynamic-import'] } },
  },
  {
    name: 'duckdb-on-demand',
    comment: 'DuckDB is loaded when a recording is opened, and not with the module: it may be missing.',
    from: { path: '^src/', pathNot: TESTS },
    to: { path: 'node_modules/@duckdb/', dependencyTypesNot: ['type-only', 'type-import', 'dynamic-import'] },
  },
  {
    name: 'all-resolve',
    comment: 'Every import leads somewhere, and every package is in package.json.',
    from: { path: '^(src|test|bench|fuzz)/' },
    to: { dependencyTypes: ['unknown', 'undetermined', 'npm-no-pkg', 'npm-unknown'] },
  },
  {
    name: 'no-development-packages',
    comment:
      'What ships does not use a package of devDependencies, but for those whose code ships in the bundles, and DuckDB, which the user adds.',
    from: { path: '^src/', pathNot: TESTS },
    to: {
      dependencyTypes: ['npm-dev'],
      dependencyTypesNot: ['type-only'],
      pathNot: '^node_modules/(commander|echarts|@duckdb)/',
    },
  },
];

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: RULES.map((rule) => ({ ...rule, severity: 'error' })),
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
  },
};
