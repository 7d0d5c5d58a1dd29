import { describe, expect, it } from 'vitest';
import { type Machine, thisMachine } from '../../host/machine.ts';
import { VirtstatError } from '../../model/errors.ts';
import { chooseVms, type VmKind } from './choose.ts';

/** A machine with these programs; `kvm` is the obstacle before /dev/kvm, if any. */
function machineWith(programs: readonly string[], kvm?: string, arch = 'x64'): Machine {
  return {
    arch,
    findProgram: (name) => {
      const path = name.startsWith('/') ? name : `/usr/bin/${name}`;
      return programs.includes(path) ? path : undefined;
    },
    kvmObstacle: () => kvm,
  };
}

const QEMU = '/usr/bin/qemu-system-x86_64';
const RED_HATS = '/usr/libexec/qemu-kvm';

describe('chooseVms', () => {
  it('takes QEMU under KVM where both are there', () => {
    expect(chooseVms(machineWith([QEMU]))).toEqual({
      kind: 'qemu',
      program: QEMU,
      accel: 'kvm',
      reason: '/usr/bin/qemu-system-x86_64 is installed and /dev/kvm can be opened',
    });
  });

  it('knows where Red Hat keeps QEMU, and prefers the one in PATH', () => {
    expect(chooseVms(machineWith([RED_HATS]))).toMatchObject({ kind: 'qemu', program: RED_HATS });
    expect(chooseVms(machineWith([RED_HATS, QEMU]))).toMatchObject({ program: QEMU });
  });

  it('takes QEMU under TCG where /dev/kvm cannot be opened, and says so', () => {
    expect(chooseVms(machineWith([QEMU], 'EACCES'))).toEqual({
      kind: 'qemu',
      program: QEMU,
      accel: 'tcg',
      reason: '/dev/kvm cannot be opened: EACCES',
    });
  });

  it('makes VMs itself where only KVM is there', () => {
    expect(chooseVms(machineWith([]))).toEqual({
      kind: 'kvm',
      reason: 'no qemu-system-x86_64',
    });
  });

  it('replays where neither is there', () => {
    expect(chooseVms(machineWith([], 'ENOENT'))).toEqual({
      kind: 'replay',
      reason: 'no qemu-system-x86_64, /dev/kvm cannot be opened: ENOENT',
    });
  });

  it('replays where the guest could not run, and gives that reason once', () => {
    const choice = chooseVms(machineWith([QEMU], undefined, 'arm64'));
    expect(choice.kind).toBe('replay');
    expect(choice.reason.match(/arm64/g)).toHaveLength(1);
  });

  it.each<VmKind>(['qemu', 'kvm', 'replay'])('shows %s where it is wanted and there', (wanted) => {
    expect(chooseVms(machineWith([QEMU]), wanted).kind).toBe(wanted);
  });

  it.each<[VmKind, Machine, RegExp]>([
    ['qemu', machineWith([]), /--vms qemu: no qemu-system-x86_64$/],
    ['kvm', machineWith([QEMU], 'EACCES'), /--vms kvm: \/dev\/kvm cannot be opened: EACCES$/],
    ['kvm', machineWith([QEMU], undefined, 'riscv64'), /x86-64 code and this machine is riscv64$/],
  ])('refuses %s where it is wanted and not there', (wanted, machine, message) => {
    const choose = (): unknown => chooseVms(machine, wanted);
    expect(choose).toThrow(VirtstatError);
    expect(choose).toThrow(message);
    expect(choose).toThrow(expect.objectContaining({ code: 'DEMO_FAILED' }));
  });

  it('finds programs of this machine in PATH and by full path, and only those', () => {
    expect(thisMachine.findProgram('sh')).toMatch(/^\/.*\/sh$/);
    expect(thisMachine.findProgram('/bin/sh')).toBe('/bin/sh');
    expect(thisMachine.findProgram('/bin')).toBeUndefined();
    expect(thisMachine.findProgram('/etc/passwd')).toBeUndefined();
    expect(thisMachine.findProgram('no-such-program-here')).toBeUndefined();
  });
});
