import { copyFileSync, mkdirSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CAPTURES = fileURLToPath(new URL('../../captures/kvm', import.meta.url));

/** Captured stats files that are always new: values are as old as their files, and only new ones are sent. */
export class FreshCaptures implements Disposable {
  /** How often they are made new, in milliseconds. */
  static readonly EVERY_MS = 400;
  /** The domains in them: three moments of a VM of 2 vCPUs. */
  static readonly DOMAINS: readonly string[] = ['lab.t0', 'lab.t1', 'lab.t2'];
  readonly uri: string;
  readonly #touching: NodeJS.Timeout;

  /** Copies them into this folder, which is made. */
  constructor(folder: string) {
    mkdirSync(folder);
    const names = readdirSync(CAPTURES).filter((name) => name.endsWith('.bin'));
    for (const name of names) copyFileSync(join(CAPTURES, name), join(folder, name));
    this.uri = `kvm+file:${folder}`;
    this.#touching = setInterval(() => {
      const now = Date.now() / 1000;
      for (const name of names) utimesSync(join(folder, name), now, now);
    }, FreshCaptures.EVERY_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#touching);
  }
}
