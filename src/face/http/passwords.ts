import { createHash, randomBytes } from 'node:crypto';
import { BcryptWorker } from '../../host/bcrypt-worker.ts';

/** Right passwords that are remembered, so that a scraper's costs a tenth of a second once. */
const MAX_REMEMBERED = 256;

/** The hash of a password that nobody has: who names no user that exists waits as long as who does. */
const NOBODYS_HASH = '$2b$10$PBN2CV64bp1Mc8gt0s5IEu9xLym97UmAHq3if6HXyvTYSjRROBf.C';

/** Checks passwords of users against bcrypt hashes. */
export class Passwords {
  readonly #worker = new BcryptWorker();
  /** Digests of what was right; the key is this process's own, so that they say nothing elsewhere. */
  readonly #right = new Set<string>();
  readonly #key = randomBytes(32);

  /** @throws QUEUE_FULL where too many are being checked */
  async isRight(user: string, password: string, hashes: ReadonlyMap<string, string>): Promise<boolean> {
    const hash = hashes.get(user);
    const digest = createHash('sha256')
      .update(this.#key)
      .update(JSON.stringify([user, hash, password]))
      .digest('hex');
    if (hash !== undefined && this.#right.has(digest)) return true;
    const isRight = await this.#worker.compare(password, hash ?? NOBODYS_HASH);
    if (!isRight || hash === undefined) return false;
    if (this.#right.size >= MAX_REMEMBERED) this.#right.clear();
    this.#right.add(digest);
    return true;
  }

  close(): void {
    this.#worker.close();
  }
}
