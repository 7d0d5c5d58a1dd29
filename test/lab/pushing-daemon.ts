import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DaemonProcess } from './daemon.ts';
import { freePort } from './engine.ts';
import { FreshCaptures } from './fresh-captures.ts';

/** A daemon that pushes captured statistics every second by remote write, and what it says of that. */
export class PushingDaemon implements AsyncDisposable {
  readonly #captures: FreshCaptures;
  readonly #webPort: number;
  readonly #file: string;
  daemon!: DaemonProcess;

  private constructor(folder: string, webPort: number) {
    this.#captures = new FreshCaptures(join(folder, 'vms'));
    this.#webPort = webPort;
    this.#file = join(folder, 'virtstat.toml');
  }

  /** With all its files in a folder of the test; `push` are lines of its table. Resolves when it is ready. */
  static async start(folder: string, push: readonly string[]): Promise<PushingDaemon> {
    const pushing = new PushingDaemon(folder, await freePort());
    const toml = [
      `connect = ["${pushing.#captures.uri}"]`,
      `runtime-dir = "${folder}/run"`,
      `state-dir = "${folder}/state"`,
      `web.listen-address = ["127.0.0.1:${pushing.#webPort}"]`,
      '[[remote-write]]',
      'every = "1s"',
      ...push,
    ];
    writeFileSync(pushing.#file, toml.join('\n'));
    try {
      await pushing.restart();
      return pushing;
    } catch (error) {
      pushing.#captures[Symbol.dispose]();
      throw error;
    }
  }

  /** Starts it again after its end. */
  async restart(): Promise<void> {
    // A file that nobody wrote to meanwhile says the same once more, which another daemon cannot know.
    await sleep(2 * FreshCaptures.EVERY_MS);
    this.daemon = await DaemonProcess.ready('--config', this.#file);
  }

  /** What a series says of its push: `sent_total`; `moreLabels` stand behind its own. */
  async value(series: string, moreLabels = ''): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.#webPort}/metrics`)).text();
    const line = new RegExp(
      `^virtstat_export_${series}\\{push="[^"]*",protocol="remote-write"${moreLabels}\\} (\\d+)$`,
      'm',
    );
    return Number(line.exec(text)?.[1]);
  }

  /** How many lines of its log have this message. */
  linesOf(message: string): number {
    return this.daemon.lines.filter(({ msg }) => msg === message).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
    this.#captures[Symbol.dispose]();
  }
}
