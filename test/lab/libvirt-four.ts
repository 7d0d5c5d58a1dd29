import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LibvirtDomain, LibvirtLab } from './libvirt.ts';
import { hasKvm } from './qemu.ts';

/** The four domains of {@link defineFour}. */
export type Four = Readonly<Record<'alpha' | 'beta' | 'gamma' | 'delta-off', LibvirtDomain>>;

/**
 * Defines four domains that differ in what there is to measure, and starts all but the last, paused:
 *
 * | domain      | has                                                                                                  |
 * | ----------- | ---------------------------------------------------------------------------------------------------- |
 * | `alpha`     | 2 of 4 vCPUs, a disk that is a chain of three images, an empty CD drive, 2 I/O threads, a NIC without a device on the host before one with, a balloon, software perf events |
 * | `beta`      | machine `q35`, a raw disk on SATA before a qcow2 one on virtio, a NIC, a balloon                      |
 * | `gamma`     | nothing                                                                                              |
 * | `delta-off` | a disk; it is shut off                                                                               |
 *
 * @param tap - the first letters of the names of two tap devices
 */
export async function defineFour(lab: LibvirtLab, tap: string): Promise<Four> {
  const image = (name: string, ...args: readonly string[]): void => {
    execFileSync('qemu-img', ['create', '-q', ...args.slice(0, -1), join(lab.folder, name), args.at(-1) ?? ''], {
      stdio: 'ignore',
    });
  };
  const at = (name: string): string => join(lab.folder, name);
  image('base.raw', '-f', 'raw', '64M');
  image('mid.qcow2', '-f', 'qcow2', '-b', at('base.raw'), '-F', 'raw', '64M');
  image('alpha.qcow2', '-f', 'qcow2', '-b', at('mid.qcow2'), '-F', 'qcow2', '64M');
  image('beta.raw', '-f', 'raw', '16M');
  image('beta2.qcow2', '-f', 'qcow2', '1G');
  image('delta.qcow2', '-f', 'qcow2', '2G');
  const four: Four = {
    alpha: domain(lab, 'alpha', '1'),
    beta: domain(lab, 'beta', '2'),
    gamma: domain(lab, 'gamma', '3'),
    'delta-off': domain(lab, 'delta-off', '4'),
  };
  const bodies: Readonly<Record<keyof Four, string>> = {
    alpha: `<memory unit='MiB'>192</memory><vcpu current='2'>4</vcpu><iothreads>2</iothreads>${machine('pc')}
      <perf>${['task_clock', 'context_switches', 'page_faults'].map((name) => `<event name='${name}' enabled='yes'/>`).join('')}</perf>
      <devices>${EMULATOR}${disk(at('alpha.qcow2'), 'qcow2', 'vda', 'virtio', " iothread='1'")}
        <disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>
        <interface type='user'><model type='virtio'/></interface>${nic(`${tap}A`, 'e1000')}
        <memballoon model='virtio'><stats period='2'/></memballoon></devices>`,
    beta: `<memory unit='MiB'>32</memory><vcpu>1</vcpu>${machine('q35')}
      <devices>${EMULATOR}${disk(at('beta.raw'), 'raw', 'sda', 'sata')}${disk(at('beta2.qcow2'), 'qcow2', 'vda', 'virtio')}
        ${nic(`${tap}B`, 'virtio')}<memballoon model='virtio'/></devices>`,
    gamma: `<memory unit='MiB'>32</memory><vcpu>1</vcpu>${machine('pc')}
      <devices>${EMULATOR}<memballoon model='none'/></devices>`,
    'delta-off': `<memory unit='MiB'>64</memory><currentMemory unit='MiB'>48</currentMemory><vcpu current='1'>2</vcpu>
      ${machine('pc')}<devices>${EMULATOR}${disk(at('delta.qcow2'), 'qcow2', 'vda', 'virtio')}<interface type='user'/></devices>`,
  };
  for (const each of Object.values(four)) {
    const path = at(`${each.name}.xml`);
    writeFileSync(path, whole(each, bodies[each.name as keyof Four]));
    await lab.virsh('define', path);
    if (each !== four['delta-off']) await lab.virsh('start', each.name, '--paused');
  }
  return four;
}

function domain(lab: LibvirtLab, name: string, digit: string): LibvirtDomain {
  const uuid = '8-4-4-4-12'.replaceAll(/\d+/g, (length) => digit.repeat(Number(length)));
  return { name, uuid, qmpPath: join(lab.folder, `${name}.qmp`) };
}

function whole({ name, uuid, qmpPath }: LibvirtDomain, body: string): string {
  return `<domain type='${hasKvm() ? 'kvm' : 'qemu'}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
    <name>${name}</name><uuid>${uuid}</uuid>${body}
    <qemu:commandline><qemu:arg value='-qmp'/><qemu:arg value='unix:${qmpPath},server=on,wait=off'/></qemu:commandline>
  </domain>`;
}

const EMULATOR = '<emulator>/usr/bin/qemu-system-x86_64</emulator>';

function machine(name: string): string {
  return `<os><type arch='x86_64' machine='${name}'>hvm</type></os><features><acpi/></features>`;
}

function disk(path: string, format: string, target: string, bus: string, more = ''): string {
  return `<disk type='file' device='disk'><driver name='qemu' type='${format}'${more}/><source file='${path}'/>
    <target dev='${target}' bus='${bus}'/></disk>`;
}

function nic(device: string, model: string): string {
  return `<interface type='ethernet'><target dev='${device}'/><model type='${model}'/></interface>`;
}
