#!/usr/bin/env node
// Read by whatever Node the machine has, as far back as 8, as a module or as a script: syntax that is newer, or that only one
// of the two has (import, require), would hide the line that says what to do.
const NEEDED = [22, 18];
const version = process.versions.node.split('.').map(Number);

if (version[0] < NEEDED[0] || (version[0] === NEEDED[0] && version[1] < NEEDED[1])) {
  process.stderr.write(
    'virtstat: this is Node ' +
      process.versions.node +
      '; virtstat needs ' +
      NEEDED.join('.') +
      ' or newer: run it with another Node, or in its checkout with `npm start`\n',
  );
  process.exit(1);
} else {
  const nodeModule = process.getBuiltinModule('node:module');
  const path = process.getBuiltinModule('node:fs').realpathSync(process.argv[1]);
  nodeModule.enableCompileCache();
  nodeModule.createRequire(path)('../dist/cli/main.js');
}
