#!/usr/bin/env -S node --max-semi-space-size=4 --heap-growing-percent=100
// virtstatd is `virtstat serve` by the name that daemons have. Nearly all that it allocates is garbage after the next sweep: with
// 4 MiB for what is young, and as much as what lives for what is not yet known to be garbage, it takes half the memory that it takes
// with what Node.js gives by itself, and no more time.
'use strict';
process.argv.splice(2, 0, 'serve');
require('./virtstat.cjs');
