import { createHash } from 'node:crypto';
import type { Caller, FaceContext, Reader } from '../face.ts';
import { statsError } from './existence.ts';

/** How many wrong tokens one connection may show; after that, none is right any more. */
export const MAX_WRONG_TOKENS = 3;

/** What an {@link Identity} needs from outside. */
export interface IdentityOptions {
  readonly context: Pick<FaceContext, 'readerFor' | 'isToken'>;
  /** As the connection shows it; absent: nobody yet. */
  readonly caller?: Caller;
  /** Hears of each wrong token; true of the last one that is listened to. */
  readonly onWrongToken: (isLast: boolean) => void;
}

/** Who the client of one connection is, and what they may read. */
export class Identity {
  readonly #options: IdentityOptions;
  #reader: Reader | undefined;
  #wrongTokens = 0;

  constructor(options: IdentityOptions) {
    this.#options = options;
    this.#reader = options.caller && options.context.readerFor(options.caller);
  }

  /** Whether anything is known of them. */
  get isKnown(): boolean {
    return this.#reader !== undefined;
  }

  /** @throws NotAuthenticated of `org.virtstat.Stats` where nothing is known of them */
  get reader(): Reader {
    if (this.#reader === undefined) throw statsError('NotAuthenticated', {});
    return this.#reader;
  }

  /** They are who holds this token from here on. @throws AuthenticationFailed of `org.virtstat.Stats` */
  authenticate(token: string): void {
    const { context, onWrongToken } = this.#options;
    const sha256 = createHash('sha256').update(token).digest('hex');
    if (this.#wrongTokens < MAX_WRONG_TOKENS && context.isToken(sha256)) {
      this.#reader = context.readerFor({ kind: 'token', sha256 });
      return;
    }
    if (this.#wrongTokens++ < MAX_WRONG_TOKENS) onWrongToken(this.#wrongTokens === MAX_WRONG_TOKENS);
    throw statsError('AuthenticationFailed', {});
  }
}
