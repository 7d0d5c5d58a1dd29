import { expect, it } from 'vitest';
import { nameDisks } from './disk-names.ts';

const targets = (...disks: readonly (readonly [path: string, type?: string])[]): readonly string[] => {
  const names = nameDisks(disks.map(([path, type]) => ({ path, type })));
  return disks.map(([path]) => `${names.get(path)?.bus} ${names.get(path)?.target}`);
};

it('calls the disks of libvirt’s VMs what libvirt called them', () => {
  expect(
    targets(
      ['/machine/peripheral/virtio-disk1/virtio-backend'],
      ['/machine/peripheral/virtio-disk0/virtio-backend'],
      ['/machine/peripheral/sata0-0-2', 'ide-cd'],
      ['/machine/peripheral/ide0-1-0', 'ide-cd'],
      ['/machine/peripheral/scsi1-0-0-3', 'scsi-hd'],
      ['/machine/peripheral/virtio-disk27/virtio-backend'],
    ),
  ).toEqual(['virtio vdb', 'virtio vda', 'sata sdc', 'ide hdc', 'scsi sdk', 'virtio vdab']);
});

it('numbers all others, each kind by itself, and gives no name twice', () => {
  expect(
    targets(
      ['/machine/peripheral/a/virtio-backend'],
      ['/machine/unattached/device[9]', 'ide-hd'],
      ['/machine/peripheral/virtio-disk0/virtio-backend'],
      ['/machine/peripheral/b', 'virtio-blk-device'],
      ['/machine/peripheral/c', 'scsi-hd'],
      ['/machine/peripheral/d', 'something-new'],
      ['/machine/unattached/device[2]', 'floppy'],
      ['floppy0'],
    ),
  ).toEqual([
    'virtio vdb',
    'ide hda',
    'virtio vda',
    'virtio vdc',
    'scsi sda',
    'undefined sdb',
    'fdc fda',
    'undefined sdc',
  ]);
  const many = Array.from({ length: 800 }, (_, index) => [`/d${index}`, 'virtio-blk-device'] as const);
  expect(new Set(targets(...many)).size).toBe(800);
  expect(targets(['/machine/peripheral/virtio-disk99999999999'])).toEqual(['undefined sda']);
});
