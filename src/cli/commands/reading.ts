import { collect, parseIndex, parseInterval, parsePolling } from '../arguments.ts';
import type { AnyCommand } from '../commander.ts';
import { FLAG_OPTIONS, STATS_OPTIONS } from '../domstats-options.ts';
import { DOMAIN_HELP, examples, type Finish, JSON_HELP } from './description.ts';

/** Describes `list`. */
export function addList(program: AnyCommand, finish: Finish): void {
  program
    .command('list')
    .description('list the domains, and what can be read of each')
    .option('--domain <domain>', DOMAIN_HELP, collect)
    .option('--json', JSON_HELP)
    .addHelpText('after', examples('virtstat list', "virtstat list --json | jq -r '.[].name'"))
    .action(async (options, command) => {
      const { list } = await import('../verbs/list.ts');
      finish(await list({ ...options, ...command.optsWithGlobals() }));
    });
}

/** Describes `schemas`. */
export function addSchemas(program: AnyCommand, finish: Finish): void {
  program
    .command('schemas')
    .description('show what can be measured, with type and unit')
    .option('--target <target>', 'only this target: vm, vcpu, …')
    .option('--provider <provider>', 'only this provider: kvm, …')
    .option('--domain <domain>', DOMAIN_HELP, collect)
    .option('--json', JSON_HELP)
    .addHelpText('after', examples('virtstat schemas --target vcpu'))
    .action(async (options, command) => {
      const { schemas } = await import('../verbs/schemas.ts');
      finish(await schemas({ ...options, ...command.optsWithGlobals() }));
    });
}

/** Describes `query`. */
export function addQuery(program: AnyCommand, finish: Finish): void {
  program
    .command('query')
    .description('show values now, in human units; histograms with the bounds of their buckets')
    .argument('<target>', 'what they are about: vm, vcpu, …')
    .argument('[names]', 'comma-separated names, or * for all')
    .argument('[provider]', 'who measures: kvm, …')
    .option('--domain <domain>', DOMAIN_HELP, collect)
    .option('--path <path>', 'only this object of the target; may be repeated', collect)
    .option('--watch [seconds]', 'again and again, every second or as often as given', parseInterval)
    .option('--rate', 'growth per second of what only grows; with --json a number in raw steps of the unit')
    .option('--json', `${JSON_HELP}; with --watch one for each sweep, on a line of its own`)
    .addHelpText(
      'after',
      examples(
        'virtstat query vm',
        'virtstat query vcpu exits,halt_wait_hist --domain lab-1 --rate',
        "virtstat query vcpu '*' kvm --watch=5 --json",
      ),
    )
    .action(async (target, names, provider, options, command) => {
      const { query } = await import('../verbs/query.ts');
      const { watch, ...others } = options;
      const intervalMs = typeof watch === 'number' ? watch : undefined;
      finish(
        await query({
          ...others,
          ...command.optsWithGlobals(),
          target,
          ...(names !== undefined && { names }),
          ...(provider !== undefined && { provider }),
          ...(intervalMs !== undefined && { intervalMs }),
        }),
      );
    });
}

/** Describes `info stats`. */
export function addInfo(program: AnyCommand, finish: Finish): void {
  program
    .command('info')
    .description("show statistics as QEMU's monitor prints them")
    .command('stats')
    .description("print exactly the text of the monitor's `info stats`")
    .argument('<target>', 'vm, or vcpu: one of them, see --cpu')
    .argument('[names]', 'comma-separated names, or * for all')
    .argument('[provider]', 'who measures: kvm, …')
    .option('--domain <domain>', 'the domain, by name, uuid or process id, where there are several', collect)
    .option('--cpu <index>', 'which vCPU (default: 0)', parseIndex)
    .addHelpText('after', examples('virtstat info stats vm', 'virtstat info stats vcpu exits kvm --cpu 1'))
    .action(async (target, names, provider, options, command) => {
      const { infoStats } = await import('../verbs/info.ts');
      finish(
        await infoStats({
          ...options,
          ...command.optsWithGlobals(),
          target,
          ...(names !== undefined && { names }),
          ...(provider !== undefined && { provider }),
        }),
      );
    });
}

/** Describes `domstats`. */
export function addDomStats(program: AnyCommand, finish: Finish): void {
  const domstats = program
    .command('domstats')
    .description('print exactly the text of `virsh domstats`, of libvirt daemons and every other source')
    .argument('[domains...]', 'these domains, by name, uuid or id (default: all)');
  const options = [...STATS_OPTIONS, ...FLAG_OPTIONS];
  for (const { name, help } of options) domstats.option(`--${name}`, help);
  domstats
    .option('--domain <domain>', 'one more of the domains; may be repeated', collect)
    .addHelpText(
      'after',
      examples(
        'virtstat domstats --cpu-total --block',
        'virtstat -c qemu+ssh://host/system domstats --state --balloon vm1',
      ),
    )
    .action(async (domains, { domain = [] }, command) => {
      const { domstats: run } = await import('../verbs/domstats.ts');
      const given = options.filter(({ name }) => {
        const option = domstats.options.find(({ long }) => long === `--${name}`);
        return option !== undefined && command.getOptionValue(option.attributeName()) === true;
      });
      const names = new Set(given.map(({ name }) => name));
      finish(await run({ ...command.optsWithGlobals(), domains: [...domains, ...domain], given: names }));
    });
}

/** Describes `guest-memory`. */
export function addGuestMemory(program: AnyCommand, finish: Finish): void {
  program
    .command('guest-memory')
    .description('show what guests report of their memory and, where they do not, why')
    .option('--poll <seconds>', 'have guests asked that nobody asks yet, while the command runs', parsePolling)
    .option('--domain <domain>', DOMAIN_HELP, collect)
    .option('--watch [seconds]', 'again and again, every second or as often as given', parseInterval)
    .option('--json', `${JSON_HELP}; with --watch one for each sweep, on a line of its own`)
    .addHelpText('after', examples('virtstat guest-memory', 'virtstat guest-memory --poll 2 --watch --domain web-1'))
    .action(async (options, command) => {
      const { guestMemory } = await import('../verbs/guest-memory.ts');
      const { watch, ...others } = options;
      const intervalMs = typeof watch === 'number' ? watch : undefined;
      finish(
        await guestMemory({
          ...others,
          ...command.optsWithGlobals(),
          ...(intervalMs !== undefined && { intervalMs }),
        }),
      );
    });
}

/** Describes `monitor`. */
export function addMonitor(program: AnyCommand, finish: Finish): void {
  program
    .command('monitor')
    .description("talk to one domain as to QEMU's human monitor: a prompt with history and completion")
    .option('--domain <domain>', 'the domain, by name, uuid or process id, where there are several', collect)
    .addHelpText('after', examples('virtstat monitor --domain lab-1', "echo 'info stats vm' | virtstat monitor"))
    .action(async (options, command) => {
      const { monitor } = await import('../verbs/monitor.ts');
      finish(await monitor({ ...options, ...command.optsWithGlobals() }));
    });
}
