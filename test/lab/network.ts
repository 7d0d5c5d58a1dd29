import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';

/** Opens devices for QEMU, as libvirt does, and becomes the command after `--`. Arguments: see {@link Network.launcher}. */
const OPENER = `
import fcntl, os, struct, sys
end = sys.argv.index('--')
for word in sys.argv[1:end]:
    kind, name, first, count = word.split('|')
    for queue in range(int(count)):
        if kind == 'tap':
            opened = os.open('/dev/net/tun', os.O_RDWR)
            flags = 0x2 | 0x1000 | 0x4000 | (0x100 if int(count) > 1 else 0)
            fcntl.ioctl(opened, 0x400454ca, struct.pack('16sH22x', name.encode(), flags))
        else:
            opened = os.open(name, os.O_RDWR)
        os.dup2(opened, int(first) + queue, inheritable=True)
        os.close(opened)
os.execvp(sys.argv[end + 1], sys.argv[end + 1:])
`;

/** Sends frames into a device: name, destination, count, size in bytes. */
const SENDER = `
import socket, sys
device, to, count, size = sys.argv[1], bytes.fromhex(sys.argv[2].replace(':', '')), int(sys.argv[3]), int(sys.argv[4])
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
    link.bind((device, 0))
    for _ in range(count):
        link.send(to + bytes.fromhex('020000000099' + '88b5') + b'x' * (size - 14))
`;

/** The counters of a device that tests compare with, by the names of its folder `statistics`. */
export type HostCounters = Readonly<Record<string, bigint>>;

/** Why there can be no network of a test here, or undefined where there can: the reason to skip with. */
export function whyNoNetwork(): string | undefined {
  if (process.getuid?.() !== 0) return 'devices of the network are made by root';
  if (!existsSync('/dev/net/tun')) return 'there is no /dev/net/tun';
  for (const [program, argument] of [
    ['ip', '-V'],
    ['python3', '-V'],
  ] as const) {
    try {
      run(program, [argument]);
    } catch {
      return `${program} is not installed`;
    }
  }
  try {
    new Network().close();
    return undefined;
  } catch (error) {
    return `no network namespace can be made: ${String(error).split('\n')[0]}`;
  }
}

/** Commands to start QEMU with: they open devices as descriptors, as {@link Network.launcher} says. */
export function opening(...opened: readonly string[]): readonly string[] {
  return opened.length === 0 ? [] : ['python3', '-c', OPENER, ...opened, '--'];
}

/** A network namespace of a test's own, in which nothing moves but what the test sends. */
export class Network implements Disposable {
  readonly name: string;

  constructor() {
    this.name = `virtstat-${process.pid}-${randomBytes(3).toString('hex')}`;
    run('ip', ['netns', 'add', this.name]);
    this.shell(
      'for each in all default; do echo 1 > /proc/sys/net/ipv6/conf/$each/disable_ipv6; done 2>/dev/null || :',
    );
  }

  /** A tap that stays when nobody has it open. */
  addTap(name: string, options: readonly string[] = []): void {
    this.ip('tuntap', 'add', name, 'mode', 'tap', ...options);
    this.ip('link', 'set', name, 'up');
  }

  /** A macvtap `name` on one end of a cable, whose other end is `peer`. Returns its address, and the node to open it by. */
  addMacvtap(name: string, peer: string): { readonly address: string; readonly node: string } {
    this.ip('link', 'add', `${peer}0`, 'type', 'veth', 'peer', 'name', peer);
    this.ip('link', 'add', 'link', `${peer}0`, 'name', name, 'type', 'macvtap', 'mode', 'bridge');
    for (const each of [`${peer}0`, peer, name]) this.ip('link', 'set', each, 'up');
    const [address = '', index = '', numbers = ''] = this.shell(
      `cd /sys/class/net/${name} && cat address ifindex && cat macvtap/*/dev tap*/dev 2>/dev/null | head -1`,
    ).split('\n');
    const node = `/dev/tap${index}`;
    if (!existsSync(node)) run('mknod', [node, 'c', ...numbers.split(':')]);
    return { address, node };
  }

  /**
   * The commands to start QEMU with: in this namespace, with devices opened as descriptors, such as `tap|t0|30|2` (two queues
   * of t0 as 30 and 31) or `node|/dev/tap7|33|1`.
   */
  launcher(...opened: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', this.name, ...opening(...opened)];
  }

  /** Sends frames of `sizeBytes` into a device, as its host. */
  send(device: string, count: number, sizeBytes: number, to = 'ff:ff:ff:ff:ff:ff'): void {
    this.#inside('python3', '-c', SENDER, device, to, `${count}`, `${sizeBytes}`);
  }

  /** What the device itself says that it counted. */
  counters(device: string): HostCounters {
    const lines = this.shell(`cd /sys/class/net/${device}/statistics && grep . *`).trim().split('\n');
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')), BigInt(line.slice(line.indexOf(':') + 1))]),
    );
  }

  /** Runs `ip` in this namespace. */
  ip(...args: readonly string[]): string {
    return this.#inside('ip', ...args);
  }

  /** Runs a script in this namespace. */
  shell(script: string): string {
    return this.#inside('sh', '-c', script);
  }

  /** Takes it away with all devices in it; VMs that still hold one keep them until they end. */
  close(): void {
    run('ip', ['netns', 'del', this.name]);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #inside(...command: readonly string[]): string {
    return run('ip', ['netns', 'exec', this.name, ...command]);
  }
}

function run(program: string, args: readonly string[]): string {
  const options: ExecFileSyncOptionsWithStringEncoding = {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  };
  return execFileSync(program, args, options);
}
