import { VirtstatError } from '../../model/errors.ts';
import { parseNames } from '../../protocol/hmp/command-line.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { infoStatsText, providersAsked } from '../info-stats.ts';
import { answerOf, requireOneDomain } from '../select.ts';
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
    const { gone: signal } = terminal;
    const domain = await requireOneDomain(registry, { signal, ...(domains && { domains }) });
    const read = { signal, domains: [domain.id] };
    const list = names === undefined ? undefined : parseNames(names);
    const request = { target, ...(list && { names: list }), ...(provider !== undefined && { provider }) };
    const { filter: checked, schemas } = await registry.check(request, read);
    const described = answerOf(domain, schemas);
    if (checked === undefined) throw described.errors[0];
    const providers = provider === undefined ? providersAsked(target, described.items) : [provider];
    if (providers.length === 0) {
      throw new VirtstatError(
        'NOTHING_MATCHED',
        `QEMU measures nothing of target ${target}; \`virtstat list\` says why`,
      );
    }
    const filter = { target, providers: providers.map((name) => ({ provider: name, ...(list && { names: list }) })) };
    const { items, errors } = answerOf(domain, await registry.query(filter, read));
    if (errors.length > 0) throw errors[0];
    const view = { filter, schemas: described.items, providerAsked: provider !== undefined, cpu };
    const text = infoStatsText(items, view);
    terminal.out(text);
    return text === '' ? EXIT.nothingMatched : EXIT.done;
  });
}
