import { describe, expect, it } from 'vitest';
import { decodeDirtyRate, decodeMaxCpus, decodeMaxMemory, decodeMemorySize } from './machine.ts';
import { libvirtState } from './run-state.ts';

describe('the size of a machine', () => {
  it('is what it began with and what was plugged', () => {
    expect(decodeMemorySize({ 'base-memory': 5, 'plugged-memory': 2 })).toBe(7n);
    expect(decodeMemorySize({ 'base-memory': 2n ** 64n - 1n })).toBe(2n ** 64n - 1n);
  });

  it('is not known where QEMU says something else', () => {
    for (const base of [-1, '5', 2n ** 64n]) expect(decodeMemorySize({ 'base-memory': base })).toBeUndefined();
    expect(decodeMemorySize({ 'base-memory': 2n ** 64n - 1n, 'plugged-memory': 1 })).toBeUndefined();
    expect(() => decodeMemorySize('5')).toThrow('query-memory-size-summary');
  });

  it('has limits', () => {
    expect(decodeMaxCpus({ cpus: 2, maxcpus: 8 })).toBe(8n);
    expect(decodeMaxCpus({ cpus: 2 })).toBeUndefined();
    expect(decodeMaxMemory({ size: 5, 'max-size': 9, slots: 2 })).toBe(9n);
    expect(decodeMaxMemory({ size: 5 })).toBe(5n);
    expect(() => decodeMaxMemory([])).toThrow('qom-get memory');
  });
});

describe('a dirty rate', () => {
  it('is there once it was measured, and before that how far it is', () => {
    const numbers = { 'start-time': 3, 'calc-time': 2, 'dirty-rate': 7 };
    const begun = { startSeconds: 3n, calcSeconds: 2n };
    expect(decodeDirtyRate({ status: 'measured', mode: 'page-sampling', ...numbers })).toEqual({
      ...begun,
      ...{ status: 2n, mode: 0n, mebibytes: 7n },
    });
    expect(decodeDirtyRate({ status: 'measuring', mode: 'dirty-bitmap', ...numbers })).toEqual({
      ...begun,
      ...{ status: 1n, mode: 2n },
    });
    expect(decodeDirtyRate({ status: 'unstarted', mode: 'dirty-ring', ...numbers })).toEqual({ status: 0n, mode: 1n });
    expect(decodeDirtyRate({ status: 'measured', 'dirty-rate': -1 })).toEqual({ status: 2n });
    expect(decodeDirtyRate({ status: 'paused', mode: 'by-hand' })).toEqual({});
    expect(() => decodeDirtyRate({})).toThrow('query-dirty-rate.status');
  });
});

describe('a run state by libvirt’s numbers', () => {
  it.each([
    ['running', true, 1, 0],
    ['paused', false, 3, 1],
    ['prelaunch', false, 3, 1],
    ['postmigrate', false, 3, 2],
    ['save-vm', false, 3, 3],
    ['io-error', false, 3, 5],
    ['watchdog', false, 3, 6],
    ['internal-error', false, 3, 0],
    ['shutdown', false, 4, 0],
    ['guest-panicked', false, 6, 1],
    ['suspended', false, 7, 0],
    ['toString', false, 3, 0],
    ['tomorrow', true, 1, 0],
  ])('%s (running: %s) is %i for reason %i', (status, running, state, reason) => {
    expect(libvirtState({ status, running })).toEqual({ state, reason });
  });
});
