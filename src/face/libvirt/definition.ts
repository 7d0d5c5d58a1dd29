import type { Sample } from '../../model/sample.ts';
import type { DomainReference } from '../../protocol/libvirt/domain.ts';
import type { Disk } from './disks.ts';
import type { DomainFacts, Need } from './facts.ts';
import { BALLOON_NEEDS, maxMemoryKib, memoryKib } from './groups/balloon.ts';
import { BLOCK_NEEDS } from './groups/block.ts';
import { NET_NEEDS } from './groups/net.ts';
import { currentVcpus, VCPU_NEEDS } from './groups/vcpu.ts';
import type { Nic } from './nics.ts';

/** What a definition is made of. */
export const DEFINITION_NEEDS: readonly Need[] = [...BALLOON_NEEDS, ...VCPU_NEEDS, ...BLOCK_NEEDS, ...NET_NEEDS];

/**
 * The definition of a domain as far as it is known, in libvirt's XML: name, uuid, memory, vCPUs, and those disks and NICs whose
 * statistics can be read, the latter described in `nics`, by path. It is there to be read, not to start a VM with.
 */
export function definitionOf(
  facts: DomainFacts,
  { name, uuid, id }: DomainReference,
  nics: ReadonlyMap<string, Nic>,
): string {
  const [maximum, current] = [maxMemoryKib(facts), memoryKib(facts)];
  const vcpus = currentVcpus(facts);
  const most = facts.number('state', 'vcpu_maximum') ?? vcpus;
  const type = facts.samples('kvm', 'vcpu').length > 0 ? 'kvm' : 'qemu';
  return [
    `<domain type='${type}' id='${id}'>`,
    `  <name>${escaped(name)}</name>`,
    `  <uuid>${uuid}</uuid>`,
    ...(maximum === undefined ? [] : [`  <memory unit='KiB'>${maximum}</memory>`]),
    ...(current === undefined ? [] : [`  <currentMemory unit='KiB'>${current}</currentMemory>`]),
    ...(most === undefined ? [] : [`  <vcpu placement='static'${ofAll(vcpus, most)}>${most}</vcpu>`]),
    '  <os>',
    '    <type>hvm</type>',
    '  </os>',
    '  <devices>',
    ...facts.samples('block', 'block').flatMap((sample) => diskLines(diskOf(facts, sample))),
    ...facts.samples('interface', 'interface').flatMap(({ device, path = '' }) => nicLines(device, nics.get(path))),
    ...(facts.samples('balloon', 'vm').length > 0 ? [`    <memballoon model='virtio'/>`] : []),
    '  </devices>',
    '</domain>',
    '',
  ].join('\n');
}

/** The disk of a sample, where its name is known. */
export function diskOf({ disks }: DomainFacts, { path }: Sample): Disk | undefined {
  return path === undefined ? undefined : disks.get(path);
}

function ofAll(current: bigint | undefined, most: bigint): string {
  return current === undefined || current === most ? '' : ` current='${current}'`;
}

function diskLines(disk: Disk | undefined): readonly string[] {
  if (disk === undefined) return [];
  const { target, bus, device, source, format, backingIndex, isReadOnly } = disk;
  const index = backingIndex === undefined ? '' : ` index='${backingIndex}'`;
  return [
    `    <disk type='file' device='${device}'>`,
    ...(format === undefined ? [] : [`      <driver name='qemu' type='${escaped(format)}'/>`]),
    ...(source === undefined ? [] : [`      <source file='${escaped(source)}'${index}/>`]),
    `      <target dev='${target}'${bus === undefined ? '' : ` bus='${bus}'`}/>`,
    ...(isReadOnly ? ['      <readonly/>'] : []),
    '    </disk>',
  ];
}

function nicLines(device: string | undefined, { address, model }: Nic = {}): readonly string[] {
  if (device === undefined) return [];
  return [
    `    <interface type='ethernet'>`,
    ...(address === undefined ? [] : [`      <mac address='${escaped(address)}'/>`]),
    `      <target dev='${escaped(device)}'/>`,
    ...(model === undefined ? [] : [`      <model type='${escaped(model)}'/>`]),
    '    </interface>',
  ];
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&apos;',
  '"': '&quot;',
};

/** What XML cannot hold at all is shown as U+FFFD. */
function escaped(text: string): string {
  return text
    .replaceAll(/[&<>'"]/g, (letter) => ESCAPES[letter] ?? letter)
    .replaceAll(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\ufffd');
}
