import { copyFileSync, mkdirSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CAPTURES = fileURLToPath(new URL('../../captures/kvm', import.meta.url));

/** Of a domain: of the VM, and of its two vCPUs. */
const FILES = 3;

/** Which captures, and how fresh. */
export interface FreshCapturesOptions {
  /** Those that are there at the beginning; {@link FreshCaptures.DOMAINS} if absent. */
  readonly domains?: readonly string[];
  /** How often they are made new, in milliseconds; {@link FreshCaptures.EVERY_MS} if absent. */
  readonly everyMs?: number;
}

/** Captured stats files that are always new: values are as old as their files, and only new ones are sent and recorded. */
export class FreshCaptures implements Disposable {
  /** How often they are made new, in milliseconds. */
  static readonly EVERY_MS = 400;
  /** The domains in them: three moments of a VM of 2 vCPUs. */
  static readonly DOMAINS: readonly string[] = ['lab.t0', 'lab.t1', 'lab.t2'];
  readonly folder: string;
  readonly uri: string;
  readonly #touching: NodeJS.Timeout;

  /** Copies them into this folder, which is made. */
  constructor(
    folder: string,
    { domains = FreshCaptures.DOMAINS, everyMs = FreshCaptures.EVERY_MS }: FreshCapturesOptions = {},
  ) {
    mkdirSync(folder);
    this.folder = folder;
    this.uri = `kvm+file:${folder}`;
    for (const domain of domains) this.add(domain);
    this.#touching = setInterval(() => {
      const now = Date.now() / 1000;
      for (const name of readdirSync(folder)) utimesSync(join(folder, name), now, now);
    }, everyMs);
  }

  /** Has another of the captured VMs come. */
  add(domain: string): void {
    const [prefix, moment] = domain.split('.');
    const files = readdirSync(CAPTURES).filter(
      (file) => file.startsWith(`${prefix}-`) && file.endsWith(`.${moment}.bin`),
    );
    if (files.length !== FILES) throw new Error(`there are ${files.length} captured files of ${domain}, not ${FILES}`);
    for (const file of files) copyFileSync(join(CAPTURES, file), join(this.folder, file));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#touching);
  }
}
