import { z } from 'zod';
import { bootId, readSmallFile, removeFile, replaceFile } from '../host/small-file.ts';
import { VirtstatError } from '../model/errors.ts';
import type { PollingMark } from '../model/provider.ts';
import type { PollingJournal } from '../registry/polling-keeper.ts';

/** Name of the file in the runtime directory. */
export const JOURNAL_NAME = 'balloon.json';

/** The most domains that are remembered; the one that was noted first is forgotten first. */
export const MAX_MARKS = 10_000;

/** The largest file that is read, and so that is written, in bytes: {@link MAX_MARKS} take a tenth of it, most often. */
export const MAX_JOURNAL_BYTES: number = 16 << 20;

const MAX_ID_LENGTH = 1024;

/** What stands in the file. Nothing else is believed. */
const FILE = z.strictObject({
  version: z.literal(1),
  boot: z.string().max(64),
  marks: z
    .array(
      z.strictObject({
        id: z.string().min(1).max(MAX_ID_LENGTH),
        device: z.string().min(1).max(MAX_ID_LENGTH),
        intervalSeconds: z.int().min(1).max(0xffff_ffff),
      }),
    )
    .max(MAX_MARKS),
});

/**
 * What the daemon has set at which domain's balloon, in a file: a daemon that is killed cannot put anything back, and the next
 * one finds here what it has to. An `id` of this host has pid and start time of the VM in it; what was noted before the machine
 * was last started is of other VMs, and forgotten.
 */
export class BalloonJournal implements PollingJournal {
  readonly #path: string;
  readonly #boot: string;
  readonly #marks = new Map<string, PollingMark>();

  private constructor(path: string, boot: string, marks: readonly (readonly [string, PollingMark])[]) {
    this.#path = path;
    this.#boot = boot;
    for (const [id, mark] of marks) this.#marks.set(id, mark);
  }

  /** Reads the file in this directory, as far as it can be believed; `warn` is told where it cannot. */
  static open(directory: string, warn: (reason: string) => void): BalloonJournal {
    const path = `${directory}/${JOURNAL_NAME}`;
    const boot = bootId() ?? '';
    const text = readSmallFile(path, MAX_JOURNAL_BYTES);
    const read = text === undefined ? undefined : FILE.safeParse(parsed(text));
    if (read !== undefined && !read.success) warn(`${path} is not what a virtstatd wrote, and is not believed`);
    const marks = read?.data?.boot === boot ? read.data.marks : [];
    return new BalloonJournal(
      path,
      boot,
      marks.map(({ id, ...mark }) => [id, mark]),
    );
  }

  get(id: string): PollingMark | undefined {
    return this.#marks.get(id);
  }

  /** @throws ACCESS_DENIED where the file cannot be written: then it is not remembered here either */
  note(id: string, mark: PollingMark | undefined): void {
    const before = this.#marks.get(id);
    if (mark === undefined && before === undefined) return;
    this.#marks.delete(id);
    if (mark !== undefined) this.#marks.set(id, mark);
    for (const oldest of this.#marks.keys()) {
      if (this.#marks.size <= MAX_MARKS) break;
      this.#marks.delete(oldest);
    }
    try {
      this.#write();
    } catch (error) {
      // What is not set any more may stay in the file: the next daemon finds that it is not.
      if (mark === undefined) return;
      this.#marks.delete(id);
      if (before !== undefined) this.#marks.set(id, before);
      throw VirtstatError.from(error, 'ACCESS_DENIED', `${this.#path} cannot be written, so that no polling is set`);
    }
  }

  #write(): void {
    if (this.#marks.size === 0) {
      removeFile(this.#path);
      return;
    }
    const marks = [...this.#marks].map(([id, { device, intervalSeconds }]) => ({ id, device, intervalSeconds }));
    const file = { version: 1, boot: this.#boot, marks };
    const text = `${JSON.stringify(file)}\n`;
    // What could not be read again would be forgotten.
    if (Buffer.byteLength(text) > MAX_JOURNAL_BYTES || !FILE.safeParse(file).success)
      throw new Error('it is too large');
    replaceFile(this.#path, text);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
