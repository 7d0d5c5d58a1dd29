import type { WebOffer, WebSecurity } from '../face/face.ts';
import { VirtstatError } from '../model/errors.ts';
import { readWebConfig } from './config/web-config.ts';

/** The web configuration file as it is, read again at every reload. */
export class WebFeed implements WebOffer {
  readonly #listeners = new Set<(security: WebSecurity) => void>();
  #current: WebSecurity;

  private constructor(security: WebSecurity) {
    this.#current = security;
  }

  /** @throws CONFIG_INVALID where the file, or one that it names, is of no use */
  static async open(path: string): Promise<WebFeed> {
    return new WebFeed(await read(path));
  }

  get current(): WebSecurity {
    return this.#current;
  }

  subscribe(onChange: (security: WebSecurity) => void): () => void {
    this.#listeners.add(onChange);
    return () => void this.#listeners.delete(onChange);
  }

  /** Reads the file again. Returns what has requests go by it from then on. @throws CONFIG_INVALID */
  async reread(path: string): Promise<() => void> {
    const security = await read(path);
    if ((security.tls === undefined) !== (this.#current.tls === undefined)) {
      throw new VirtstatError('CONFIG_INVALID', `${path} has TLS switched on or off, which takes a restart`);
    }
    return () => {
      this.#current = security;
      for (const listener of this.#listeners) listener(security);
    };
  }
}

async function read(path: string): Promise<WebSecurity> {
  const outcome = await readWebConfig(path, new AbortController().signal);
  if ('security' in outcome) return outcome.security;
  throw new VirtstatError('CONFIG_INVALID', `${path}: ${outcome.mistakes.join('; ')}`);
}
