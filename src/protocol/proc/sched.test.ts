import { describe, expect, it } from 'vitest';
import { U64_MAX } from '../../model/u64.ts';
import { waitOfSched } from './sched.ts';

const BEFORE = `CPU 0/KVM (4242, #threads: 6)
-------------------------------------------------------------------
se.exec_start                                :     287164384.123456
se.sum_exec_runtime                          :         16051.664471
`;
const BEHIND = `wait_count                                   :               323449
iowait_sum                                   :           829.660887
`;

function wait(line: string): bigint | undefined {
  const bytes = Buffer.from(`${BEFORE}${line}\n${BEHIND}`);
  return waitOfSched()(Buffer.concat([bytes, Buffer.from('wait_sum: 9.999999\n')]), bytes.length)[0];
}

describe('sched of a thread', () => {
  it('has the nanoseconds that it waited, as kernels of all times name them', () => {
    expect(wait('wait_sum                                     :         34499.843330')).toBe(34_499_843_330n);
    expect(wait('se.statistics.wait_sum                       :         34499.843330')).toBe(34_499_843_330n);
    expect(wait('se.wait_sum                                  :             0.000001')).toBe(1n);
    expect(wait('wait_sum                                     :             0.000000')).toBe(0n);
    expect(wait('wait_sum : 18446744073709.551615')).toBe(U64_MAX);
  });

  it.each([
    '',
    'iowait_sum : 1.000000',
    'wait_sum_ : 1.000000',
    'wait_sum : -1.000000',
    'wait_sum : 1.00000',
    'wait_sum : 1.0000000',
    'wait_sum : 1',
    'wait_sum : 18446744073709.551616',
    'wait_sum : 999999999999999.000000',
  ])('says nothing where there is no such number: %j', (line) => expect(wait(line)).toBeUndefined());
});
