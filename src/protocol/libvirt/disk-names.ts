/** The letters of libvirt's names by the bus of a disk. */
const PREFIXES: readonly (readonly [type: RegExp, bus: string, prefix: string])[] = [
  [/^virtio-blk/, 'virtio', 'vd'],
  [/^vhost-user-blk/, 'virtio', 'vd'],
  [/^scsi-/, 'scsi', 'sd'],
  [/^ide-/, 'ide', 'hd'],
  [/^nvme/, 'nvme', 'nvme'],
  [/^usb-/, 'usb', 'sd'],
  [/^(floppy|isa-fdc)/, 'fdc', 'fd'],
];

/** What libvirt calls the devices that it makes: `virtio-disk0`, `sata0-0-1`. */
const ALIASES: readonly (readonly [alias: RegExp, bus: string, prefix: string, unitsOfBus: number])[] = [
  [/^virtio-disk(\d+)$/, 'virtio', 'vd', 0],
  [/^usb-disk(\d+)$/, 'usb', 'sd', 0],
  [/^ide\d+-(\d+)-(\d+)$/, 'ide', 'hd', 2],
  [/^sata(\d+)-\d+-(\d+)$/, 'sata', 'sd', 6],
  [/^scsi(\d+)-\d+-\d+-(\d+)$/, 'scsi', 'sd', 7],
  [/^fdc\d+-\d+-(\d+)$/, 'fdc', 'fd', 0],
];

/** A disk whose name is wanted. */
export interface NamelessDisk {
  /** Of the device in QEMU's object model. */
  readonly path: string;
  /** Its type there: `virtio-blk-device`, `ide-hd`; undefined where it is not known. */
  readonly type: string | undefined;
}

/** What libvirt would call a disk. */
export interface DiskName {
  /** `vda`, `sdb`, `hdc`, `fda`. */
  readonly target: string;
  /** `virtio`, `sata`, …; undefined where it cannot be told. */
  readonly bus: string | undefined;
}

/**
 * Names for disks as the guest would number them: those of VMs of libvirt's are the ones that libvirt gave, told from its names for
 * devices; all others are numbered in their order, each kind by itself. A name is given once.
 */
export function nameDisks(disks: readonly NamelessDisk[]): ReadonlyMap<string, DiskName> {
  const names = new Map<string, DiskName>();
  const taken = new Set<string>();
  const give = (path: string, target: string, bus: string | undefined): void => {
    names.set(path, { target, bus });
    taken.add(target);
  };
  for (const { path } of disks) {
    const known = ofAlias(path);
    if (known !== undefined && !taken.has(known.target)) give(path, known.target, known.bus);
  }
  for (const { path, type = typeIn(path) } of disks) {
    if (names.has(path)) continue;
    const [, bus, prefix = 'sd'] = PREFIXES.find(([pattern]) => pattern.test(type ?? '')) ?? [];
    let index = 0;
    while (taken.has(prefix + letters(index))) index++;
    give(path, prefix + letters(index), bus);
  }
  return names;
}

/** A virtio disk need not be asked for its type. */
export function typeIn(path: string): string | undefined {
  return path.endsWith('/virtio-backend') ? 'virtio-blk-device' : undefined;
}

function ofAlias(path: string): DiskName | undefined {
  const [, alias = ''] = /^\/machine\/peripheral\/([^/]+)(?:\/|$)/.exec(path) ?? [];
  for (const [pattern, bus, prefix, unitsOfBus] of ALIASES) {
    const [, first, second] = pattern.exec(alias) ?? [];
    if (first === undefined) continue;
    const index = second === undefined ? Number(first) : Number(first) * unitsOfBus + Number(second);
    return index < MAX_INDEX ? { target: prefix + letters(index), bus } : undefined;
  }
  return undefined;
}

/** More than any machine has disks of. */
const MAX_INDEX = 100_000;

const LETTERS = 26;

/** 0 is `a`, 25 `z`, 26 `aa`. */
function letters(index: number): string {
  const last = String.fromCharCode(97 + (index % LETTERS));
  return index < LETTERS ? last : letters(Math.floor(index / LETTERS) - 1) + last;
}
