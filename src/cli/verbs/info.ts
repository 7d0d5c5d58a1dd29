import { parseNames } from '../../protocol/hmp/command-line.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { infoStatsText } from '../info-stats.ts';
import { requireOneDomain, resolve } from '../select.ts';
import { type GlobalOptions, withSession } from '../session.ts';

/** What `info stats` takes. */
export interface InfoStatsOptions extends GlobalOptions {
  readonly target: string;
  readonly names?: string;
  readonly provider?: string;
  readonly domain?: readonly string[];
  readonly cpu?: number;
}

/** `virtstat info stats`: exactly the text of QEMU's monitor, for one domain. */
export function infoStats(options: InfoStatsOptions): Promise<ExitStatus> {
  return withSession(options, async ({ registry, terminal }) => {
    const { target, names, provider, domain: domains, cpu = 0 } = options;
    const read = { signal: terminal.gone, ...(domains && { domains }) };
    const list = names === undefined ? undefined : parseNames(names);
    const request = { target, ...(list && { names: list }), ...(provider !== undefined && { provider }) };
    const { filter, schemas } = await resolve(registry, request, read);
    const described = await requireOneDomain(registry, schemas, read);
    const [failure] = described.errors;
    if (filter === undefined) throw failure;
    const [answer] = await registry.query(filter, read);
    const [error] = answer?.errors ?? [];
    if (error !== undefined) throw error;
    const view = { filter, schemas: described.items, providerAsked: provider !== undefined, cpu };
    const text = infoStatsText(answer?.items ?? [], view);
    terminal.out(text);
    return text === '' ? EXIT.nothingMatched : EXIT.done;
  });
}
