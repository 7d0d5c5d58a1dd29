/**
 * Which control groups a process is in, and where their files are. Specs: cgroups(7) for `/proc/PID/cgroup`,
 * proc_pid_mountinfo(5) for the mounts.
 */

/** A mounted hierarchy of control groups. */
export interface CgroupMount {
  /** The folder that it is mounted at. */
  readonly folder: string;
  /** The group whose folder that is: `/`, unless a part of the hierarchy is mounted. */
  readonly root: string;
  /** Its controllers; empty for version 2, which has them all. */
  readonly controllers: readonly string[];
}

/** Longest list of mounts that is looked through. */
const MAX_MOUNTS = 65_536;

/** The hierarchies among the mounts, in their order. Lines that cannot be understood are left out. */
export function parseCgroupMounts(mountinfo: string): readonly CgroupMount[] {
  return mountinfo
    .split('\n', MAX_MOUNTS)
    .filter((line) => line.includes(' - cgroup'))
    .flatMap((line) => {
      const [before = '', after = ''] = line.split(' - ', 2);
      const [, , , root, folder] = before.split(' ');
      const [kind, , options = ''] = after.split(' ');
      if (root === undefined || folder === undefined || (kind !== 'cgroup' && kind !== 'cgroup2')) return [];
      return [
        { folder: unescaped(folder), root: unescaped(root), controllers: kind === 'cgroup' ? options.split(',') : [] },
      ];
    });
}

/**
 * The folders of a process's control groups by controller, of version 2 by the empty word. Left out: what is not mounted
 * here, and the root, whose figures are those of the whole machine or container.
 */
export function cgroupFolders(cgroup: string, mounts: readonly CgroupMount[]): ReadonlyMap<string, string> {
  const folders = new Map<string, string>();
  for (const line of cgroup.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    for (const controller of controllers.split(',')) {
      const mount = mounts.find((each) => isOf(each, controller));
      const folder = mount && folderOf(mount, groupOfVm(path));
      if (folder !== undefined && !folders.has(controller)) folders.set(controller, folder);
    }
  }
  return folders;
}

function isOf({ controllers }: CgroupMount, controller: string): boolean {
  return controller === '' ? controllers.length === 0 : controllers.includes(controller);
}

/**
 * The controllers, named as in {@link cgroupFolders}, whose group of the process is one that libvirt made for a VM and nothing
 * else: the figures of others may be those of whatever else was started beside it.
 */
export function vmControllers(cgroup: string): ReadonlySet<string> {
  const controllers = cgroup.split('\n').flatMap((line) => {
    const [, names, path = ''] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    return names !== undefined && VM_GROUP.test(path) ? names.split(',') : [];
  });
  return new Set(controllers);
}

/**
 * `/machine.slice/machine-qemu\x2d1\x2dweb.scope` of systemd's, `/machine/qemu-1-web.libvirt-qemu` without it, and what libvirt
 * makes below them for threads.
 */
const VM_GROUP = /\/(machine-qemu[^/]+\.scope(\/libvirt)?|[^/]+\.libvirt-qemu)(\/(emulator|vcpu\d+|iothread\d+))?$/;

/** libvirt puts the threads of a VM into groups of their own, below the VM's. */
function groupOfVm(path: string): string {
  return path.replace(/\/(emulator|vcpu\d+|iothread\d+)$/, '').replace(/\/libvirt$/, '');
}

function folderOf({ folder, root }: CgroupMount, path: string): string | undefined {
  const prefix = root === '/' ? '' : root;
  // A group outside of what is mounted here is shown by a way up: /../other.
  if (!path.startsWith(`${prefix}/`) || path.split('/').includes('..')) return undefined;
  const below = path.slice(prefix.length);
  return below === '/' ? undefined : folder + below;
}

/** Blanks and the like are written as three octal digits. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
