import { VirtstatError } from '../../model/errors.ts';
import { formatDomStats } from '../../protocol/libvirt/domstats-text.ts';
import type { LibvirtDomain, LibvirtStatsRecord } from '../../protocol/libvirt/stats-connection.ts';
import { nearest } from '../../registry/check.ts';
import { isLibvirtUri } from '../../source/libvirt/uri.ts';
import { Connections } from '../domstats-connections.ts';
import { bitsOf, FLAG_OPTIONS, STATS_OPTIONS } from '../domstats-options.ts';
import { EXIT, type ExitStatus, messageOf } from '../exit.ts';
import { printable } from '../render/text.ts';
import { warnNothing } from '../select.ts';
import { askedCredentials, type GlobalOptions, urisOf } from '../session.ts';
import { openTerminal } from '../terminal.ts';

/** What `domstats` takes. */
export interface DomStatsOptions extends GlobalOptions {
  /** By name, uuid or id; none means all. */
  readonly domains: readonly string[];
  /** Names of the options that were given, without dashes. */
  readonly given: ReadonlySet<string>;
}

/**
 * `virtstat domstats`: exactly the text of `virsh domstats`, whoever is asked. No domain that fits is no failure, as with virsh.
 * What virtstat's own sources could not read is told on the standard error, which virsh never does.
 */
export async function domstats(options: DomStatsOptions): Promise<ExitStatus> {
  const { domains, given, timeout } = options;
  const terminal = openTerminal();
  const errors: VirtstatError[] = [];
  const uris = urisOf(options);
  await using connections = await Connections.open(uris, {
    timeoutMs: timeout,
    onError: (error) => void errors.push(error),
    asked: await askedCredentials(uris),
  });
  const call = { signal: terminal.gone };
  const bits = { stats: bitsOf(STATS_OPTIONS, given), flags: bitsOf(FLAG_OPTIONS, given) };
  try {
    const found: LibvirtDomain[] = [];
    for (const word of domains) found.push(await requireDomain(connections, word, call.signal));
    const records =
      domains.length === 0 ? await connections.getAll(bits, call) : await connections.getOf(found, bits, call);
    const text = formatDomStats(records);
    terminal.out(terminal.isInteractive ? text.split('\n').map(printable).join('\n') : text);
    for (const message of new Set(errors.map(messageOf))) terminal.warn(message);
    const isOurs = uris.some((uri) => !isLibvirtUri(uri));
    if (isOurs && records.length === 0 && domains.length === 0 && bits.flags === 0) warnNothing(uris, terminal);
    return errors.length > 0 && records.every(saysNothing) ? EXIT.failed : EXIT.done;
  } catch (error) {
    if (terminal.gone.aborted) return EXIT.done;
    throw error;
  }
}

/** True for a record of a domain that could not be asked: no state, and nothing else. */
function saysNothing({ params }: LibvirtStatsRecord): boolean {
  return params.every(({ field, value }) => field.startsWith('state.') && value === 0);
}

/** @throws NOTHING_MATCHED with the nearest names */
async function requireDomain(connections: Connections, word: string, signal: AbortSignal): Promise<LibvirtDomain> {
  const domain = await connections.find(word, { signal });
  if (domain !== undefined) return domain;
  const near = nearest(word, await connections.names({ signal })).join(', ');
  const hint = near === '' ? '' : `; did you mean ${near}?`;
  throw new VirtstatError('NOTHING_MATCHED', `no domain has the name, uuid or id ${JSON.stringify(word)}${hint}`);
}
