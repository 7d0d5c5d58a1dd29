#!/usr/bin/env node
// Read by whatever Node the machine has, as far back as 8: newer syntax would hide the line that says what to do. CommonJS,
// because starting the loader of ES modules takes longer than what most commands do.
'use strict';
const NEEDED = [22, 18];
const version = process.versions.node.split('.').map(Number);

if (version[0] < NEEDED[0] || (version[0] === NEEDED[0] && version[1] < NEEDED[1])) {
  process.stderr.write(
    'virtstat: this is Node ' +
      process.versions.node +
      '; virtstat needs ' +
      NEEDED.join('.') +
      ' or newer: run it with another Node, or in its checkout as `npm run --silent virtstat -- list`\n',
  );
  process.exit(1);
} else {
  require('node:module').enableCompileCache();
  require('../dist/cli/virtstat.cjs');
}
