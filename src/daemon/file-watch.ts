import { fileMarks } from '../host/file-marks.ts';

/** From one look to the next, in milliseconds. */
const EVERY_MS = 2000;

/** What a {@link FileWatch} looks at. */
export interface FileWatchOptions {
  /** Which files; asked at every look. */
  readonly files: () => readonly string[];
  /** Takes what is in them now: at the beginning, and when they have changed. Must not reject. */
  readonly take: () => Promise<void>;
  /** {@link EVERY_MS} if absent. */
  readonly everyMs?: number;
}

/**
 * Looks now and then whether files have changed, as a certificate does that somebody renews. They are taken when they have been alike
 * for two looks: certificate and key do not change at the same moment.
 */
export class FileWatch implements Disposable {
  readonly #options: FileWatchOptions;
  readonly #timer: NodeJS.Timeout;
  #taken: string | undefined;
  #seen: string | undefined;
  #isLooking = false;

  constructor(options: FileWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), options.everyMs ?? EVERY_MS).unref();
  }

  /** Looks no more. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const marks = await fileMarks(this.#options.files());
      const isStill = marks === this.#seen;
      this.#seen = marks;
      if (!isStill || marks === this.#taken) return;
      this.#taken = marks;
      await this.#options.take();
    } finally {
      this.#isLooking = false;
    }
  }
}
