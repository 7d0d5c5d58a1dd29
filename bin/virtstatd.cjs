#!/usr/bin/env node
// virtstatd is `virtstat serve` by the name that daemons have.
'use strict';
process.argv.splice(2, 0, 'serve');
require('./virtstat.cjs');
