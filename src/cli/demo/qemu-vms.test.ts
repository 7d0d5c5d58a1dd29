import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../source/local/command-line.ts';
import { qemuArguments, qemuRecipes } from './qemu-vms.ts';

const VM = {
  name: 'virtstat-demo-1',
  uuid: '11111111-2222-4333-8444-555555555555',
  accel: 'kvm',
  disk: '/tmp/a,b/disk.img',
  monitor: '/tmp/a,b/demo.qmp',
} as const;

describe('qemuArguments', () => {
  it('names the VM and its monitor so that a search of this host finds them, also with commas in the path', () => {
    expect(parseCommandLine(['qemu-system-x86_64', ...qemuArguments(VM)])).toEqual({
      name: VM.name,
      uuid: VM.uuid,
      monitors: [{ kind: 'unix', path: VM.monitor }],
      nics: [],
    });
  });

  it('gives the accelerator that was chosen', () => {
    const withTcg = qemuArguments({ ...VM, accel: 'tcg' });
    expect(withTcg[withTcg.indexOf('-accel') + 1]).toBe('tcg');
  });

  it('doubles the commas of paths', () => {
    expect(qemuArguments(VM)).toContain('file=/tmp/a,,b/disk.img,format=raw,if=virtio');
  });
});

describe('qemuRecipes', () => {
  it('refuses a folder in which no socket can be, and takes the longest in which one can', () => {
    const [recipe] = qemuRecipes({ program: '/usr/bin/qemu-system-x86_64', accel: 'kvm', image: '/dev/null' });
    const tooLong = `/${'x'.repeat(98)}`;
    expect(() => recipe?.command(tooLong)).toThrow(/too long a path for a socket.*TMPDIR/);
    expect(recipe?.command(tooLong.slice(0, -1))).toContain('virtstat-demo-1,debug-threads=on');
  });
});
