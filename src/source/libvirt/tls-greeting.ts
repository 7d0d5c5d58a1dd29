import { VirtstatError } from '../../model/errors.ts';

/** What a daemon says first over TLS once it has accepted our certificate. */
const ACCEPTED = 1;

/**
 * The one byte that a libvirt daemon sends over TLS before everything else. A TLS handshake succeeds on our side before the
 * other side has looked at our certificate; this says that it was good.
 */
export class TlsGreeting {
  /** Resolves when it has come. @throws TLS_FAILED */
  readonly heard: Promise<void>;
  readonly #greeted: PromiseWithResolvers<void> = Promise.withResolvers();
  #isOver = false;

  constructor() {
    this.heard = this.#greeted.promise;
    // Whoever waits for it may have given up.
    this.heard.catch(() => undefined);
  }

  /** Takes what came, and gives what lies behind the greeting. */
  take(chunk: Uint8Array): Uint8Array {
    if (this.#isOver) return chunk;
    this.#isOver = true;
    if (chunk[0] === ACCEPTED) this.#greeted.resolve();
    else this.#greeted.reject(new VirtstatError('TLS_FAILED', 'the daemon does not greet over TLS as libvirt does'));
    return chunk.subarray(1);
  }

  /** The connection ended. Where the greeting had not come, it is our certificate that was not good enough. */
  end(error: VirtstatError): void {
    const hint = 'it takes a client certificate that it knows; name its folder with ?pkipath=DIR';
    const message = `the daemon ended the connection instead of greeting: ${hint}`;
    this.#greeted.reject(new VirtstatError('TLS_FAILED', message, { cause: error }));
  }
}
