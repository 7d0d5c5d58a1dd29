import { VirtstatError } from '../../model/errors.ts';
import { formatDomStats } from '../../protocol/libvirt/domstats-text.ts';
import { nearest } from '../../registry/check.ts';
import { LibvirtConnection, type LibvirtDomain } from '../../source/libvirt/connection.ts';
import { findDomain } from '../../source/libvirt/lookup.ts';
import { isLibvirtUri } from '../../source/libvirt/uri.ts';
import { bitsOf, FLAG_OPTIONS, STATS_OPTIONS } from '../domstats-options.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { printable } from '../render/text.ts';
import { type GlobalOptions, urisOf } from '../session.ts';
import { openTerminal } from '../terminal.ts';

/** What `domstats` takes. */
export interface DomStatsOptions extends GlobalOptions {
  /** By name, uuid or id; none means all. */
  readonly domains: readonly string[];
  /** Names of the options that were given, without dashes. */
  readonly given: ReadonlySet<string>;
}

/** `virtstat domstats`: exactly the text of `virsh domstats`. No domain that fits is no failure, as with virsh. */
export async function domstats(options: DomStatsOptions): Promise<ExitStatus> {
  const { domains, given, timeout } = options;
  await using connection = new LibvirtConnection(
    libvirtUri(urisOf(options)),
    timeout === undefined ? {} : { callTimeoutMs: timeout, openTimeoutMs: timeout },
  );
  const terminal = openTerminal();
  const call = { signal: terminal.gone };
  const [stats, flags] = [bitsOf(STATS_OPTIONS, given), bitsOf(FLAG_OPTIONS, given)];
  try {
    const found: LibvirtDomain[] = [];
    for (const word of domains) found.push(await requireDomain(connection, word, call.signal));
    const records =
      domains.length === 0
        ? await connection.getAllDomainStats(stats, flags, call)
        : await connection.domainListGetStats(found, stats, flags, call);
    const text = formatDomStats(records);
    terminal.out(terminal.isInteractive ? text.split('\n').map(printable).join('\n') : text);
    return EXIT.done;
  } catch (error) {
    if (terminal.gone.aborted) return EXIT.done;
    throw error;
  }
}

/** The one URI that was given, where it is one of libvirt's. @throws USAGE, URI_UNSUPPORTED */
function libvirtUri(uris: readonly string[]): string {
  const [uri = '', ...others] = uris;
  if (others.length > 0) throw new VirtstatError('USAGE', 'domstats reads one connection; give -c once');
  if (isLibvirtUri(uri)) return uri;
  const hint = 'in this version it reads libvirt connections alone, such as -c qemu:///system';
  throw new VirtstatError('URI_UNSUPPORTED', `domstats does not read ${JSON.stringify(uri)}; ${hint}`);
}

/** @throws NOTHING_MATCHED with the nearest names */
async function requireDomain(connection: LibvirtConnection, word: string, signal: AbortSignal): Promise<LibvirtDomain> {
  const domain = await findDomain(connection, word, { signal });
  if (domain !== undefined) return domain;
  const known = (await connection.listAllDomains(0, { signal })).map(({ name }) => name);
  const near = nearest(word, known).join(', ');
  const hint = near === '' ? '' : `; did you mean ${near}?`;
  throw new VirtstatError('NOTHING_MATCHED', `no domain has the name, uuid or id ${JSON.stringify(word)}${hint}`);
}
