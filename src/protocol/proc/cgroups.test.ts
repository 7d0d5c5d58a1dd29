import { describe, expect, it } from 'vitest';
import { cgroupFolders, parseCgroupMounts } from './cgroups.ts';

const TWO = '30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n';
const HYBRID = [
  '31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct',
  '32 24 0:28 / /sys/fs/cgroup/memory rw shared:6 - cgroup cgroup rw,memory',
  '33 24 0:29 / /sys/fs/cgroup/unified rw shared:7 - cgroup2 cgroup2 rw',
  '34 24 0:30 / /proc rw - proc proc rw',
].join('\n');

const foldersOf = (cgroup: string, mounts: string) =>
  Object.fromEntries(cgroupFolders(cgroup, parseCgroupMounts(mounts)));

describe('the folders of control groups', () => {
  it('are found in version 2', () => {
    expect(foldersOf('0::/user.slice/a.scope\n', TWO)).toEqual({ '': '/sys/fs/cgroup/user.slice/a.scope' });
  });

  it('are found in version 1 and beside each other, by controller', () => {
    const cgroup = '4:memory:/a\n3:cpu,cpuacct:/b\n2:pids:/c\n1:name=systemd:/d\n0::/e\n';
    expect(foldersOf(cgroup, HYBRID)).toEqual({
      memory: '/sys/fs/cgroup/memory/a',
      cpu: '/sys/fs/cgroup/cpu,cpuacct/b',
      cpuacct: '/sys/fs/cgroup/cpu,cpuacct/b',
      '': '/sys/fs/cgroup/unified/e',
    });
  });

  it.each([
    ['/machine.slice/machine-qemu\\x2d1\\x2da.scope/libvirt/emulator', '/machine.slice/machine-qemu\\x2d1\\x2da.scope'],
    ['/machine/qemu-1-a.libvirt-qemu/emulator', '/machine/qemu-1-a.libvirt-qemu'],
    ['/machine/a/libvirt/vcpu12', '/machine/a'],
    ['/machine/a/vcpus', '/machine/a/vcpus'],
  ])('that libvirt made below the one of the VM stand for it: %s', (path, vm) => {
    expect(foldersOf(`0::${path}\n`, TWO)).toEqual({ '': `/sys/fs/cgroup${vm}` });
  });

  it('are none for the root, whose figures are the machine’s', () => {
    expect(foldersOf('2:memory:/\n0::/\n', HYBRID)).toEqual({});
  });

  it('are below the group that is mounted, and none outside of it', () => {
    const part = '30 24 0:26 /docker/a\\040b /cgroup\\040here rw - cgroup2 cgroup2 rw\n';
    expect(foldersOf('0::/docker/a b/vm\n', part)).toEqual({ '': '/cgroup here/vm' });
    expect(foldersOf('0::/docker/a bc/vm\n', part)).toEqual({});
    expect(foldersOf('0::/docker/a b\n', part)).toEqual({});
    expect(foldersOf('0::/../other\n', TWO)).toEqual({});
  });

  it.each(['', 'x', '0::', '0::relative', '::/a', '1:memory', `${'9'.repeat(5000)}\n`])('are none in %j', (cgroup) => {
    expect(foldersOf(cgroup, HYBRID)).toEqual({});
  });

  it.each(['', ' - cgroup', 'a - cgroup2', '1 2 3 / - cgroup2 x rw', '1 2 3 / /a rw - cgroupx cgroup rw'])(
    'are none where the mounts are %j',
    (mounts) => expect(foldersOf('4:memory:/a\n0::/b\n', mounts)).toEqual({}),
  );
});
