import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { VirtstatError } from '../model/errors.ts';

/** Passwords that wait to be compared; a comparison takes about a tenth of a second. */
export const MAX_WAITING_PASSWORDS = 32;

/** How long the thread stays when nothing is to be compared, in milliseconds. */
const IDLE_MS = 10_000;

/** What the thread runs: one comparison after the other. */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const { compareSync } = require(workerData);
parentPort.on('message', ([password, hash]) => {
  let isRight = false;
  try { isRight = compareSync(password, hash); } catch {}
  parentPort.postMessage(isRight);
});
`;

interface Waiting {
  readonly resolve: (isRight: boolean) => void;
  readonly reject: (error: VirtstatError) => void;
}

/** Compares passwords with bcrypt hashes in a thread of its own: it is made to be slow, and would keep everybody else waiting. */
export class BcryptWorker {
  readonly #waiting: Waiting[] = [];
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;

  /** @throws QUEUE_FULL; CLOSED where it was closed meanwhile, INTERNAL where the thread failed */
  compare(password: string, hash: string): Promise<boolean> {
    if (this.#waiting.length >= MAX_WAITING_PASSWORDS) {
      throw new VirtstatError('QUEUE_FULL', 'too many passwords wait to be checked; try again later');
    }
    clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker?.postMessage([password, hash]);
    });
  }

  /** Ends the thread; it would begin anew. */
  close(): void {
    this.#stop(new VirtstatError('CLOSED', 'passwords are checked no more'));
  }

  #start(): Worker {
    const bcrypt = createRequire(import.meta.url).resolve('bcryptjs');
    const worker = new Worker(PROGRAM, { eval: true, workerData: bcrypt, env: {}, execArgv: [] });
    worker.unref();
    worker.on('message', (isRight: boolean) => {
      this.#waiting.shift()?.resolve(isRight);
      if (this.#waiting.length === 0) this.#idle = setTimeout(() => this.close(), IDLE_MS).unref();
    });
    worker.on('error', (error) => {
      if (this.#worker === worker) this.#stop(VirtstatError.from(error, 'INTERNAL', 'checking passwords failed'));
    });
    return worker;
  }

  #stop(error: VirtstatError): void {
    clearTimeout(this.#idle);
    void this.#worker?.terminate();
    this.#worker = undefined;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
