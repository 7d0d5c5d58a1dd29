import { closeSync } from 'node:fs';
import { VirtstatError } from '../model/errors.ts';
import { openDatagramSocket, sendDatagram } from './syscalls.ts';

/** Longest name of a unix socket, in bytes (unix(7): sun_path). */
const MAX_NAME_BYTES = 108;

/** Longest status that is sent, in characters: it is one line for people. */
const MAX_STATUS_LENGTH = 200;

/**
 * Tells the service manager how this process is (sd_notify(3)): lines of `NAME=value` in one datagram to the unix socket
 * that `$NOTIFY_SOCKET` names, a path or, with `@`, an abstract name. Where there is no service manager every call does
 * nothing; where it does not take a message, that is forgotten: it must not end the service.
 */
export class ServiceManager implements Disposable {
  readonly #name: Uint8Array | undefined;
  readonly #watchdogMs: number | undefined;
  #fd = -1;
  #watchdog: NodeJS.Timeout | undefined;

  private constructor(name: Uint8Array | undefined, watchdogMs: number | undefined) {
    this.#name = name;
    this.#watchdogMs = watchdogMs;
  }

  /**
   * The manager that the variables name. They are taken out of `env`, so that no child speaks for this process.
   * @throws USAGE for an address that is none of unix sockets
   */
  static take(env: NodeJS.ProcessEnv, pid: number): ServiceManager {
    const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = env;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
    const isMeant = WATCHDOG_PID === undefined || WATCHDOG_PID === String(pid);
    const watchdogMs =
      isMeant && /^[1-9]\d{0,14}$/.test(WATCHDOG_USEC ?? '') ? Number(WATCHDOG_USEC) / 1000 : undefined;
    return new ServiceManager(NOTIFY_SOCKET ? nameOf(NOTIFY_SOCKET) : undefined, watchdogMs);
  }

  /** Start-up, or a reload, is done. The watchdog is fed from here on, twice in its time, as long as timers run. */
  ready(status: string): void {
    this.#send('READY=1', statusLine(status));
    if (this.#watchdogMs === undefined || this.#watchdog !== undefined) return;
    this.#watchdog = setInterval(() => this.#send('WATCHDOG=1'), Math.max(1, this.#watchdogMs / 2)).unref();
  }

  /** A reload begins; {@link ready} ends it. */
  reloading(): void {
    this.#send('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  /** The service ends. */
  stopping(): void {
    this.#send('STOPPING=1');
  }

  /** One line for people, as `systemctl status` shows it. */
  status(text: string): void {
    this.#send(statusLine(text));
  }

  /** Ends the watchdog's feeding. */
  [Symbol.dispose](): void {
    clearInterval(this.#watchdog);
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #send(...lines: readonly string[]): void {
    if (this.#name === undefined) return;
    try {
      if (this.#fd < 0) this.#fd = openDatagramSocket();
      sendDatagram(this.#fd, this.#name, Buffer.from(lines.join('\n')));
    } catch {
      // The manager may be restarting; the next message may arrive.
    }
  }
}

/** @throws USAGE */
function nameOf(address: string): Uint8Array {
  const name = Buffer.from(address);
  const isUnix = address.startsWith('/') || address.startsWith('@');
  if (!isUnix || name.length > MAX_NAME_BYTES - 1) {
    throw new VirtstatError(
      'USAGE',
      `NOTIFY_SOCKET is ${JSON.stringify(address)}; it must be the path of a socket, or @NAME`,
    );
  }
  if (address.startsWith('@')) name[0] = 0;
  return name;
}

function statusLine(text: string): string {
  return `STATUS=${text.replaceAll(/\s+/g, ' ').slice(0, MAX_STATUS_LENGTH)}`;
}
