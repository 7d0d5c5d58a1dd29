import { StatsConnection } from '../../protocol/libvirt/stats-connection.ts';
import { LibvirtLink, type LibvirtLinkOptions } from './link.ts';

/** Bounds and choices of a {@link LibvirtConnection}. */
export interface LibvirtConnectionOptions extends LibvirtLinkOptions {
  /** {@link DEFAULT_CALL_TIMEOUT_MS} if absent. */
  readonly callTimeoutMs?: number;
}

const FOREVER: AbortSignal = new AbortController().signal;

/**
 * A read-only connection to a libvirt daemon, without libvirt: calls are named as in libvirt's bindings. It connects anew with
 * the next call when it was lost; domains stay valid, since their uuid decides. Idle, it does not keep the process from exiting.
 *
 * At most five calls are sent at once; up to 64 wait for their turn. A call whose wait ended keeps its place until the daemon
 * answers, so that a domain that hangs costs a daemon no more than those five workers.
 */
export class LibvirtConnection extends StatsConnection {
  readonly #link: LibvirtLink;

  /** Connects to nothing yet. @throws URI_INVALID, URI_UNSUPPORTED; see docs/sources.md for the forms */
  constructor(uri: string, options: LibvirtConnectionOptions = {}) {
    const link = new LibvirtLink(uri, options);
    super(uri, link, options.callTimeoutMs);
    this.#link = link;
  }

  /**
   * Connects and opens the driver.
   * @throws URI_INVALID, URI_UNSUPPORTED, LIBVIRT_AUTH_FAILED, LIBVIRT_CALL_FAILED, CANCELLED, and what connecting raises
   */
  static async open(
    uri: string,
    options: LibvirtConnectionOptions & { readonly signal?: AbortSignal } = {},
  ): Promise<LibvirtConnection> {
    const connection = new LibvirtConnection(uri, options);
    try {
      await connection.#link.open({ signal: options.signal ?? FOREVER });
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }
}
