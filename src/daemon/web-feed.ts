import { isDeepStrictEqual } from 'node:util';
import type { WebOffer, WebSecurity } from '../face/face.ts';
import { VirtstatError } from '../model/errors.ts';
import { readWebConfig } from './config/web-config.ts';

/** The web configuration file as it is, read again at every reload and when it, or a file that it names, has changed. */
export class WebFeed implements WebOffer {
  readonly #listeners = new Set<(security: WebSecurity) => void>();
  #current: WebSecurity;
  #files: readonly string[];

  private constructor({ security, files }: Content) {
    this.#current = security;
    this.#files = files;
  }

  /** @throws CONFIG_INVALID where the file, or one that it names, is of no use */
  static async open(path: string): Promise<WebFeed> {
    return new WebFeed(await read(path));
  }

  get current(): WebSecurity {
    return this.#current;
  }

  /** The file itself, and those that it names. */
  get files(): readonly string[] {
    return this.#files;
  }

  subscribe(onChange: (security: WebSecurity) => void): () => void {
    this.#listeners.add(onChange);
    return () => void this.#listeners.delete(onChange);
  }

  /**
   * Reads the file again. Returns what has requests go by it from then on, and says whether it is another one.
   * @throws CONFIG_INVALID
   */
  async reread(path: string): Promise<() => boolean> {
    const { security, files } = await read(path);
    if ((security.tls === undefined) !== (this.#current.tls === undefined)) {
      throw new VirtstatError('CONFIG_INVALID', `${path} has TLS switched on or off, which takes a restart`);
    }
    return () => {
      this.#files = files;
      if (isDeepStrictEqual(security, this.#current)) return false;
      this.#current = security;
      for (const listener of this.#listeners) listener(security);
      return true;
    };
  }
}

interface Content {
  readonly security: WebSecurity;
  readonly files: readonly string[];
}

async function read(path: string): Promise<Content> {
  const outcome = await readWebConfig(path, new AbortController().signal);
  if ('security' in outcome) return outcome;
  throw new VirtstatError('CONFIG_INVALID', `${path}: ${outcome.mistakes.join('; ')}`);
}
