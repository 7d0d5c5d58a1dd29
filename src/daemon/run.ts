import { takeActivatedSockets } from '../host/activation.ts';
import { ServiceManager } from '../host/notify.ts';
import { VirtstatError } from '../model/errors.ts';
import type { Config } from './config/config.ts';
import type { ConfigOutcome } from './config/load.ts';
import { Daemon } from './daemon.ts';
import { createFaces } from './faces.ts';
import { openLog } from './log.ts';

/** What runs a daemon. */
export interface RunOptions {
  readonly config: Config;
  /** Of virtstat. */
  readonly version: string;
  /** Reads the configuration again, from where it came. */
  readonly load: () => Promise<ConfigOutcome>;
}

/**
 * Runs a daemon until SIGTERM or SIGINT, with SIGHUP for a reload, and tells the service manager. Resolves when everything
 * is given back.
 * @throws what {@link Daemon.start} throws
 */
export async function runDaemon({ config, version, load }: RunOptions): Promise<void> {
  const log = openLog(config.logLevel);
  const signals = new SignalQueue();
  using manager = ServiceManager.take(process.env, process.pid);
  try {
    const activated = takeActivatedSockets(process.env, process.pid);
    const daemon = await Daemon.start({
      config,
      createFaces: (registry) => createFaces({ config, registry, version }),
      log,
      activated,
      version,
      ownUid: process.geteuid?.() ?? 0,
    });
    log.info({ pid: process.pid, runtimeDir: config.runtimeDir, faces: daemon.faces }, 'ready');
    manager.ready(statusOf(daemon));
    for (let signal = await signals.next(); signal === 'SIGHUP'; signal = await signals.next()) {
      manager.reloading();
      await reload(daemon, load, log);
      manager.ready(statusOf(daemon));
    }
    log.info({}, 'stopping');
    manager.stopping();
    await daemon.stop();
    log.info({}, 'stopped');
  } finally {
    signals.close();
    await log.flush();
  }
}

/** What is wrong stays without effect: a daemon that runs goes on as it is. */
async function reload(daemon: Daemon, load: RunOptions['load'], log: ReturnType<typeof openLog>): Promise<void> {
  try {
    const outcome = await load();
    if ('config' in outcome) return await daemon.reload(outcome.config);
    for (const mistake of outcome.mistakes)
      log.error({ mistake }, 'the configuration has a mistake; the old one stays');
  } catch (error) {
    const { code, message } = VirtstatError.from(error, 'INTERNAL', 'reloading failed');
    log.error({ code, reason: message }, 'the configuration could not be reloaded; the old one stays');
  }
}

function statusOf(daemon: Daemon): string {
  const { length } = daemon.states.all;
  return `serving ${length} ${length === 1 ? 'domain' : 'domains'}`;
}

type DaemonSignal = 'SIGHUP' | 'SIGTERM' | 'SIGINT';

/** Signals in the order in which they came, also those that came while nobody waited; the same one waits only once. */
class SignalQueue {
  readonly #waiting: DaemonSignal[] = [];
  #wake: (() => void) | undefined;
  readonly #listener = (signal: NodeJS.Signals): void => {
    const name = signal as DaemonSignal;
    if (!this.#waiting.includes(name)) this.#waiting.push(name);
    this.#wake?.();
  };

  constructor() {
    for (const name of SIGNALS) process.on(name, this.#listener);
  }

  async next(): Promise<DaemonSignal> {
    while (this.#waiting.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    // Whoever wants an end does not wait for a reload.
    const end = this.#waiting.find((name) => name !== 'SIGHUP');
    return end ?? (this.#waiting.shift() as DaemonSignal);
  }

  close(): void {
    for (const name of SIGNALS) process.off(name, this.#listener);
  }
}

const SIGNALS: readonly DaemonSignal[] = ['SIGHUP', 'SIGTERM', 'SIGINT'];
