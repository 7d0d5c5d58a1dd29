import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import koffi from 'koffi';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServiceManager } from './notify.ts';
import { openDatagramSocket } from './syscalls.ts';

const AF_UNIX = 1;
const libc = koffi.load(null);
const bind = libc.func('int bind(int fd, void *address, uint32_t size)');
const recv = libc.func('intptr_t recv(int fd, _Out_ uint8_t *into, size_t size, int flags)');

/** A socket as the service manager has one. */
class Receiver implements Disposable {
  readonly #fd = openDatagramSocket();

  constructor(address: string) {
    const name = Buffer.from(address.replace(/^@/, '\0'));
    expect(bind(this.#fd, Buffer.concat([Buffer.from(Uint16Array.of(AF_UNIX).buffer), name]), 2 + name.length)).toBe(0);
  }

  /** The next message, or undefined where none has come. */
  next(): string | undefined {
    const into = Buffer.alloc(4096);
    const size = Number(recv(this.#fd, into, into.length, 0));
    return size < 0 ? undefined : into.toString('utf8', 0, size);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-notify-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('ServiceManager', () => {
  it.each(['a path', 'an abstract name'])('sends every message to %s', (kind) => {
    const address = kind === 'a path' ? join(folder, 'notify') : `@virtstat-test-${process.pid}`;
    using receiver = new Receiver(address);
    const env: NodeJS.ProcessEnv = { NOTIFY_SOCKET: address, OTHER: 'x' };
    using manager = ServiceManager.take(env, process.pid);
    expect(env).toEqual({ OTHER: 'x' });
    manager.ready('serving\n3 domains');
    expect(receiver.next()).toBe('READY=1\nSTATUS=serving 3 domains');
    const beforeUs = process.hrtime.bigint() / 1000n;
    manager.reloading();
    const [, us] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(receiver.next() ?? '') ?? [];
    expect(BigInt(us ?? 0)).toBeGreaterThanOrEqual(beforeUs);
    expect(BigInt(us ?? 0)).toBeLessThanOrEqual(process.hrtime.bigint() / 1000n);
    manager.status('x'.repeat(1000));
    expect(receiver.next()).toBe(`STATUS=${'x'.repeat(200)}`);
    manager.stopping();
    expect(receiver.next()).toBe('STOPPING=1');
    expect(receiver.next()).toBeUndefined();
  });

  it('feeds the watchdog twice in its time, once it is ready', async () => {
    const address = join(folder, 'notify');
    using receiver = new Receiver(address);
    const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: '100000', WATCHDOG_PID: String(process.pid) };
    const manager = ServiceManager.take(env, process.pid);
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(receiver.next()).toBeUndefined();
    manager.ready('');
    manager.ready('');
    expect([receiver.next(), receiver.next()]).toEqual(['READY=1\nSTATUS=', 'READY=1\nSTATUS=']);
    await new Promise((resolve) => setTimeout(resolve, 130));
    expect(receiver.next()).toBe('WATCHDOG=1');
    manager[Symbol.dispose]();
    while (receiver.next() !== undefined);
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(receiver.next()).toBeUndefined();
  });

  it('feeds no watchdog that is meant for another process', async () => {
    const address = join(folder, 'notify');
    using receiver = new Receiver(address);
    using manager = ServiceManager.take(
      { NOTIFY_SOCKET: address, WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' },
      process.pid,
    );
    manager.ready('');
    receiver.next();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(receiver.next()).toBeUndefined();
  });

  it('says nothing where nobody listens', () => {
    using nobody = ServiceManager.take({}, process.pid);
    nobody.ready('x');
    using deaf = ServiceManager.take({ NOTIFY_SOCKET: join(folder, 'not-there') }, process.pid);
    deaf.ready('x');
    using receiver = new Receiver(join(folder, 'not-there'));
    deaf.stopping();
    expect(receiver.next()).toBe('STOPPING=1');
  });

  it('refuses what is no address of a unix socket', () => {
    for (const NOTIFY_SOCKET of ['vsock:2:1', 'relative', `/${'x'.repeat(107)}`]) {
      expect(() => ServiceManager.take({ NOTIFY_SOCKET }, 1), NOTIFY_SOCKET).toThrow(
        expect.objectContaining({ code: 'USAGE' }),
      );
    }
    ServiceManager.take({ NOTIFY_SOCKET: `/${'x'.repeat(106)}` }, 1);
  });
});
