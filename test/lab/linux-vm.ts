import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LINUX_GUEST } from './folder.js';
import { startQemu, type Vm, type VmOptions, whyNoVm } from './qemu.ts';
import { RawQmp } from './qmp.ts';

/** A guest under TCG is up within five seconds; the machine may be busy. */
const BOOT_LIMIT_MS = 90_000;
const LOOK_MS = 100;

/** QOM path of the balloon of such a VM. */
export const BALLOON_PATH = '/machine/peripheral/balloon0';

/** How a Linux guest is to be. */
export interface LinuxVmOptions extends Pick<VmOptions, 'name' | 'root' | 'qmp' | 'paused'> {
  /** False: it loads no balloon driver. */
  readonly hasDriver?: boolean;
  /** The driver leaves its device that many seconds after it came. */
  readonly silentAfterSeconds?: number;
}

/** Why no Linux guest can run here, or undefined where one can: the reason to skip with. */
export function whyNoLinuxGuest(root?: string): string | undefined {
  if (!existsSync(join(LINUX_GUEST, 'initrd'))) {
    return `no Linux guest in ${LINUX_GUEST}; npm test makes it, as root and with a Debian mirror`;
  }
  return whyNoVm(root === undefined ? {} : { root });
}

/** Starts a small Linux guest with a balloon under TCG. It boots by itself: see {@link driverReported}. */
export function startLinux({ hasDriver, silentAfterSeconds, ...options }: LinuxVmOptions = {}): Promise<Vm> {
  const words = [
    'quiet panic=-1 mitigations=off no_timer_check',
    ...(hasDriver === false ? ['lab.driver=no'] : []),
    ...(silentAfterSeconds === undefined ? [] : [`lab.silent=${silentAfterSeconds}`]),
  ];
  const kernel = ['-kernel', join(LINUX_GUEST, 'vmlinuz'), '-initrd', join(LINUX_GUEST, 'initrd')];
  return startQemu({
    accel: 'tcg',
    smp: 1,
    hmp: false,
    ...options,
    args: ['-m', '128', ...kernel, '-append', words.join(' '), '-device', 'virtio-balloon-pci,id=balloon0'],
  });
}

/** What the balloon of a VM says through a monitor of its own. */
export interface RawBalloon {
  readonly stats: Readonly<Record<string, bigint>>;
  readonly 'last-update': bigint;
}

/** Asks the device itself, by a client that shares no code with what is tested. The monitor must be free. */
export async function rawBalloon(qmpPath: string): Promise<RawBalloon> {
  return (await onMonitor(qmpPath, (monitor) =>
    monitor.execute('qom-get', { path: BALLOON_PATH, property: 'guest-stats' }),
  )) as RawBalloon;
}

/** The polling interval that is set, in seconds. */
export async function rawInterval(qmpPath: string): Promise<bigint> {
  const args = { path: BALLOON_PATH, property: 'guest-stats-polling-interval' };
  return (await onMonitor(qmpPath, (monitor) => monitor.execute('qom-get', args))) as bigint;
}

/** Sets it, as another client would. */
export async function setRawInterval(qmpPath: string, value: number): Promise<void> {
  const args = { path: BALLOON_PATH, property: 'guest-stats-polling-interval', value };
  await onMonitor(qmpPath, (monitor) => monitor.execute('qom-set', args));
}

/** Resolves when the guest's driver has reported by itself, which it does once when it is loaded. */
export async function driverReported(qmpPath: string): Promise<void> {
  const deadlineMs = performance.now() + BOOT_LIMIT_MS;
  while ((await rawBalloon(qmpPath))['last-update'] === 0n) {
    if (performance.now() > deadlineMs) throw new Error('the driver of the Linux guest has not reported');
    await sleep(LOOK_MS);
  }
}

async function onMonitor<T>(qmpPath: string, work: (monitor: RawQmp) => Promise<T>): Promise<T> {
  const monitor = await RawQmp.open(qmpPath);
  try {
    return await work(monitor);
  } finally {
    monitor.close();
  }
}
