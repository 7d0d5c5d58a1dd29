import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StatDescriptor } from '../../model/stat.ts';
import { familyOf, labelName, sumOf } from './names.ts';

const NS = { unit: 'seconds', base: 10, exponent: -9 } as const;
const vcpu = { provider: 'kvm', target: 'vcpu' };

function nameOf(schema: { provider: string; target: string }, stat: StatDescriptor): string {
  return familyOf(schema, stat).name;
}

describe('familyOf', () => {
  it.each<[string, string, StatDescriptor, string, string]>([
    ['kvm', 'vcpu', { name: 'exits', type: 'cumulative', exponent: 0 }, 'kvm_vcpu_exits', 'counter'],
    ['kvm', 'vcpu', { name: 'halt_wait_ns', type: 'cumulative', ...NS }, 'kvm_vcpu_halt_wait_seconds', 'counter'],
    [
      'kvm',
      'vcpu',
      { name: 'halt_wait_hist', type: 'log2-histogram', ...NS },
      'kvm_vcpu_halt_wait_hist_seconds',
      'histogram',
    ],
    ['kvm', 'vm', { name: 'max_mmu_rmap_size', type: 'peak', exponent: 0 }, 'kvm_vm_max_mmu_rmap_size', 'gauge'],
    ['kvm', 'vm', { name: 'pages_2m', type: 'instant', exponent: 0 }, 'kvm_vm_pages_2m', 'gauge'],
    [
      'block',
      'block',
      { name: 'rd_total_time_ns', type: 'cumulative', ...NS },
      'virtstat_block_rd_total_time_seconds',
      'counter',
    ],
    [
      'block',
      'block',
      { name: 'rd_bytes', type: 'cumulative', unit: 'bytes', exponent: 0 },
      'virtstat_block_rd_bytes',
      'counter',
    ],
    [
      'block',
      'block',
      { name: 'rd_latency_histogram', type: 'histogram', ...NS },
      'virtstat_block_rd_latency_hist_seconds',
      'histogram',
    ],
    [
      'balloon',
      'vm',
      { name: 'stat-total-memory', type: 'instant', unit: 'bytes', exponent: 0 },
      'virtstat_balloon_vm_stat_total_memory_bytes',
      'gauge',
    ],
    [
      'kvm',
      'vcpu',
      { name: 'guest_mode', type: 'instant', unit: 'boolean', exponent: 0 },
      'kvm_vcpu_guest_mode',
      'gauge',
    ],
    [
      'kvm',
      'vcpu',
      { name: 'spin', type: 'cumulative', unit: 'cycles', exponent: 0 },
      'kvm_vcpu_spin_cycles',
      'counter',
    ],
    [
      'kvm',
      'vm',
      { name: 'energy', type: 'cumulative', unit: 'joules', exponent: 0 },
      'kvm_vm_energy_joules',
      'counter',
    ],
    ['kvm', 'vm', { name: 'odd', type: 'unknown-9', unit: 'unknown-7', exponent: 0 }, 'kvm_vm_odd', 'unknown'],
  ])('names of %s and %s the stat %j %s', (provider, target, stat, name, type) => {
    expect(familyOf({ provider, target }, stat)).toMatchObject({ name, type });
  });

  it('does not claim a unit that it cannot scale to', () => {
    const stat: StatDescriptor = { name: 'x_ns', type: 'instant', unit: 'seconds', base: 'unknown-7', exponent: 3 };
    const { name, unit, help } = familyOf(vcpu, stat);
    expect([name, unit]).toEqual(['kvm_vcpu_x_ns', undefined]);
    expect(help).toContain('raw: in steps of unknown-7^3 seconds');
  });

  it('keeps free what the formats put behind names', () => {
    expect(nameOf(vcpu, { name: 'nr_count', type: 'instant', exponent: 0 })).toBe('kvm_vcpu_nr_count_value');
    expect(nameOf(vcpu, { name: 'pages_total', type: 'instant', exponent: 0 })).toBe('kvm_vcpu_pages_total_value');
    expect(nameOf(vcpu, { name: 'pages_total', type: 'cumulative', exponent: 0 })).toBe('kvm_vcpu_pages');
  });

  it('makes a name of any text', () => {
    expect(nameOf({ provider: '9p', target: 'ü' }, { name: 'haltPoll-NS "x"', type: 'instant', exponent: 0 })).toBe(
      'virtstat_9p_halt_poll_ns_x',
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), fc.string(), (provider, target, name) => {
        for (const type of ['cumulative', 'instant', 'log2-histogram', name]) {
          const family = nameOf({ provider, target }, { name, type, exponent: 0 });
          expect(family).toMatch(/^[a-z][a-z0-9_]*$/);
          expect(family).not.toMatch(/__/);
        }
        expect(labelName(target)).toMatch(/^[a-z][a-z0-9_]*$/);
      }),
    );
  });

  it('ends the name with the unit', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('seconds', 'bytes', 'cycles', 'Watt Hours'), (name, unit) => {
        for (const type of ['cumulative', 'instant', 'log2-histogram']) {
          const family = familyOf(vcpu, { name, type, unit, exponent: 0 });
          expect(family.name.endsWith(`_${family.unit}`)).toBe(true);
        }
      }),
    );
  });
});

describe('sumOf', () => {
  const histogram: StatDescriptor = { name: 'halt_wait_hist', type: 'log2-histogram', ...NS };
  const sum: StatDescriptor = { name: 'halt_wait_ns', type: 'cumulative', ...NS };

  it('finds the counter of the same name and steps', () => {
    expect(sumOf(histogram, [{ ...sum, name: 'halt_poll_ns' }, sum, histogram])).toBe(sum);
  });

  it('takes none whose steps are others, or that does not add up', () => {
    expect(sumOf(histogram, [{ ...sum, exponent: -6 }])).toBeUndefined();
    expect(sumOf(histogram, [{ ...sum, unit: 'cycles' }])).toBeUndefined();
    expect(sumOf(histogram, [{ ...sum, type: 'instant' }, histogram])).toBeUndefined();
  });
});

it('keeps the labels that the formats use for themselves', () => {
  expect(['le', 'quantile', 'vcpu', 'Net-Dev', '0'].map(labelName)).toEqual([
    'label_le',
    'label_quantile',
    'vcpu',
    'net_dev',
    'label_0',
  ]);
});
