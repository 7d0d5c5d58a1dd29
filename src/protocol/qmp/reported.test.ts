import { expect, it } from 'vitest';
import type { StatDescriptor } from '../../model/stat.ts';
import { reportedEntries, reportedSchema } from './reported.ts';

const stats: readonly StatDescriptor[] = [
  { name: 'plain', type: 'cumulative', exponent: 0 },
  { name: 'type', type: 'unknown-7', exponent: 0 },
  { name: 'unit', type: 'instant', unit: 'unknown-9', exponent: 0 },
  { name: 'base', type: 'instant', base: 'unknown-3', exponent: 6 },
  { name: 'base without use', type: 'instant', base: 'unknown-3', exponent: 0 },
  { name: 'flags', type: 'instant', unit: 'boolean', exponent: 0 },
];

it('leaves out of a schema what QEMU has no word for', () => {
  const reported = reportedSchema({ provider: 'kvm', target: 'vm', stats }).stats;
  expect(reported.map(({ name }) => name)).toEqual(['plain', 'base without use', 'flags']);
  expect(reported[1]).toEqual({ name: 'base without use', type: 'instant', exponent: 0 });
});

it('leaves out of the values what QEMU has no word for, and makes one of several booleans', () => {
  const descriptors = new Map(stats.map((stat) => [stat.name, stat]));
  const values = [...stats.map(({ name }) => ({ name, value: 1n })), { name: 'not described', value: 2n }];
  expect(reportedEntries(values, descriptors).map(({ name }) => name)).toEqual(['plain', 'flags', 'not described']);
  expect(reportedEntries([{ name: 'flags', value: [0n, 1n] }], descriptors)).toEqual([{ name: 'flags', value: false }]);
  expect(reportedEntries([{ name: 'flags', value: [5n, 0n] }], descriptors)).toEqual([{ name: 'flags', value: true }]);
});
