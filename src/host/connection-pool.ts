/** Most connections that one listening socket serves at once. */
export const MAX_CONNECTIONS = 4096;

/** Most of them that one peer may have: a user, or an address. */
export const MAX_CONNECTIONS_PER_PEER = 1024;

/** How many connections a listening socket serves. */
export interface ConnectionLimits {
  /** At least 1; {@link MAX_CONNECTIONS} if absent. */
  readonly maxConnections?: number;
  /** At least 1; {@link MAX_CONNECTIONS_PER_PEER} if absent. */
  readonly maxConnectionsPerPeer?: number;
}

/** A connection, as far as the pool needs to know it. */
export interface PooledConnection {
  /** Whether the client has sent anything. Once it has, this stays. */
  hasSpoken(): boolean;
  /** Ends it at once. */
  close(): void;
}

interface Entry {
  readonly connection: PooledConnection;
  isOpen: boolean;
}

/** The connections of one peer. */
interface Group<Peer> {
  readonly peer: Peer;
  count: number;
  /** Those that had not spoken when they were looked at last, the oldest first. */
  readonly silent: Set<Entry>;
}

/**
 * The open connections of one listening socket, within two bounds: of all, and of one peer, so that none can lock the others
 * out. Where a bound is reached, the oldest connection that never sent anything makes room for the new one: of the new
 * one's peer where its own bound is reached, else of the peer that has the most, and no fewer than the new one's. Where every
 * connection has spoken, the new one is not taken.
 */
export class ConnectionPool<Peer extends string | number> {
  readonly #maxConnections: number;
  readonly #maxPerPeer: number;
  readonly #onCrowded: (peer: Peer) => void;
  readonly #groups = new Map<Peer, Group<Peer>>();
  readonly #entries = new Set<Entry>();

  /** `onCrowded` hears whose connection was closed, or not taken, because there were too many. */
  constructor(limits: ConnectionLimits, onCrowded: (peer: Peer) => void) {
    this.#maxConnections = limits.maxConnections ?? MAX_CONNECTIONS;
    this.#maxPerPeer = limits.maxConnectionsPerPeer ?? MAX_CONNECTIONS_PER_PEER;
    this.#onCrowded = onCrowded;
  }

  /** Connections that are open now. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Takes a connection, and returns what must be called when it has ended, any number of times; undefined where there is no
   * room: it is the caller's to close.
   */
  take(peer: Peer, connection: PooledConnection): (() => void) | undefined {
    if (!this.#makeRoom(peer)) {
      this.#onCrowded(peer);
      return undefined;
    }
    const group = this.#groups.get(peer) ?? { peer, count: 0, silent: new Set() };
    const entry = { connection, isOpen: true };
    this.#groups.set(peer, group);
    this.#entries.add(entry);
    group.count++;
    group.silent.add(entry);
    return () => this.#release(group, entry);
  }

  /** Ends all of them. */
  closeAll(): void {
    for (const { connection } of this.#entries) connection.close();
  }

  #makeRoom(peer: Peer): boolean {
    const own = this.#groups.get(peer);
    const count = own?.count ?? 0;
    if (own !== undefined && count >= this.#maxPerPeer) return this.#evictFrom([own]);
    if (this.size < this.#maxConnections) return true;
    const larger = [...this.#groups.values()].filter((group) => group.count >= count);
    return this.#evictFrom(larger.sort((a, b) => b.count - a.count));
  }

  #evictFrom(groups: readonly Group<Peer>[]): boolean {
    for (const group of groups) {
      const entry = oldestSilent(group);
      if (entry === undefined) continue;
      this.#release(group, entry);
      entry.connection.close();
      this.#onCrowded(group.peer);
      return true;
    }
    return false;
  }

  #release(group: Group<Peer>, entry: Entry): void {
    if (!entry.isOpen) return;
    entry.isOpen = false;
    this.#entries.delete(entry);
    group.silent.delete(entry);
    group.count--;
    if (group.count === 0) this.#groups.delete(group.peer);
  }
}

/** Each connection that has spoken is met once: it is then no candidate any more. */
function oldestSilent({ silent }: Group<unknown>): Entry | undefined {
  for (const entry of silent) {
    if (!entry.connection.hasSpoken()) return entry;
    silent.delete(entry);
  }
  return undefined;
}
