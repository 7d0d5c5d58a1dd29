import type { StreamAddress } from '../../host/stream.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions, FoundDomain, Source } from '../../model/provider.ts';
import type { JsonObject, JsonValue } from '../../protocol/json/json.ts';
import { decodeDomain } from '../../protocol/varlink/stats/decode.ts';
import { VarlinkLink } from './link.ts';
import { callStats, RemoteDomain } from './remote-domain.ts';

/** The domains of another virtstatd, as far as it lets this user read them. */
export class VirtstatSource implements Source {
  readonly uri: string;
  readonly #address: StreamAddress;
  readonly #link: VarlinkLink;
  /** By the id that the other virtstatd gives. */
  #domains: ReadonlyMap<string, RemoteDomain> = new Map();

  /** Connects to nothing yet. @throws URI_INVALID; see {@link parseVirtstatUri} for the form */
  constructor(uri: string) {
    this.uri = uri;
    this.#address = parseVirtstatUri(uri);
    this.#link = new VarlinkLink(this.#address);
  }

  /** @throws what connecting raises, VARLINK_CALL_FAILED, VARLINK_MESSAGE_INVALID */
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
    return new RemoteDomain(remote, this.uri, new VarlinkLink(this.#address));
  }
}

/** The address in `virtstat+unix:PATH`; the path is taken as it stands. @throws URI_INVALID */
export function parseVirtstatUri(uri: string): StreamAddress {
  const [, path] = /^virtstat\+unix:(.+)$/is.exec(uri) ?? [];
  if (path !== undefined) return { kind: 'unix', path };
  throw new VirtstatError('URI_INVALID', `${JSON.stringify(uri)} has no path; write virtstat+unix:PATH`);
}
