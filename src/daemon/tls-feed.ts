import { isDeepStrictEqual } from 'node:util';
import type { TlsOffer } from '../face/face.ts';
import type { HostPort } from '../host/tcp-listening.ts';
import { readTlsMaterial, type TlsMaterial, type TlsServerFiles } from '../host/tls-material.ts';
import { VirtstatError } from '../model/errors.ts';

/** Certificate, key and authorities as they are in their files, read again at every reload and when they have changed. */
export class TlsFeed implements TlsOffer {
  readonly addresses: readonly HostPort[];
  readonly #listeners = new Set<(material: TlsMaterial) => void>();
  #material: TlsMaterial;

  private constructor(addresses: readonly HostPort[], material: TlsMaterial) {
    this.addresses = addresses;
    this.#material = material;
  }

  /** @throws TLS_FAILED where the files are of no use */
  static async open(addresses: readonly HostPort[], files: TlsServerFiles): Promise<TlsFeed> {
    return new TlsFeed(addresses, await read(files));
  }

  get material(): TlsMaterial {
    return this.#material;
  }

  subscribe(onChange: (material: TlsMaterial) => void): () => void {
    this.#listeners.add(onChange);
    return () => void this.#listeners.delete(onChange);
  }

  /**
   * Reads the files again. Returns what has connections use them from then on, and says whether they are others.
   * @throws TLS_FAILED
   */
  async reread(files: TlsServerFiles): Promise<() => boolean> {
    const material = await read(files);
    return () => {
      if (isDeepStrictEqual(material, this.#material)) return false;
      this.#material = material;
      for (const listener of this.#listeners) listener(material);
      return true;
    };
  }
}

async function read(files: TlsServerFiles): Promise<TlsMaterial> {
  const outcome = await readTlsMaterial(files, new AbortController().signal);
  if ('material' in outcome) return outcome.material;
  const reasons = outcome.problems.map(({ reason }) => reason).join('; ');
  throw new VirtstatError('TLS_FAILED', `TLS cannot be offered: ${reasons}`);
}
