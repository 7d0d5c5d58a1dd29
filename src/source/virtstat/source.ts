import type { CallOptions, FoundDomain, Source } from '../../model/provider.ts';
import type { JsonObject, JsonValue } from '../../protocol/json/json.ts';
import { decodeDomain } from '../../protocol/varlink/stats/decode.ts';
import { credentialsOf } from './credentials.ts';
import { VarlinkLink } from './link.ts';
import { callStats, RemoteDomain } from './remote-domain.ts';
import { parseVirtstatUri, type VirtstatAddress } from './uri.ts';

/** The domains of another virtstatd, as far as it lets us read them. */
export class VirtstatSource implements Source {
  readonly uri: string;
  readonly #address: VirtstatAddress;
  readonly #link: VarlinkLink;
  /** By the id that the other virtstatd gives. */
  #domains: ReadonlyMap<string, RemoteDomain> = new Map();

  /** Connects to nothing yet. @throws URI_INVALID; see {@link parseVirtstatUri} for the form */
  constructor(uri: string) {
    this.uri = uri;
    this.#address = parseVirtstatUri(uri);
    this.#link = this.#newLink();
  }

  /** @throws what connecting raises, AUTHENTICATION_FAILED, VARLINK_CALL_FAILED, VARLINK_MESSAGE_INVALID */
  async scan(options: CallOptions): Promise<readonly FoundDomain[]> {
    const reply = await callStats(this.#link, 'ListDomains', { brief: true }, options);
    const before = this.#domains;
    const now = (reply['domains'] as JsonObject[]).map((listing) => {
      const remote = decodeDomain(listing['domain'] as JsonValue);
      return [remote.id, before.get(remote.id) ?? this.#found(remote)] as const;
    });
    this.#domains = new Map(now);
    for (const [id, domain] of before) if (!this.#domains.has(id)) domain.close();
    return [...this.#domains.values()];
  }

  async close(): Promise<void> {
    this.#link.close();
    for (const domain of this.#domains.values()) domain.close();
  }

  #found(remote: ReturnType<typeof decodeDomain>): RemoteDomain {
    return new RemoteDomain(remote, this.uri, this.#newLink());
  }

  #newLink(): VarlinkLink {
    const credentials = credentialsOf(this.#address);
    return new VarlinkLink(this.#address.address, { ...(credentials && { credentials }) });
  }
}
