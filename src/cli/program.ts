import { CONFIG_KEYS } from '../daemon/config/keys.ts';
import { collect, parseIndex, parseInterval, parseMilliseconds, parsePolling, SHELLS } from './arguments.ts';
import { type AnyCommand, Argument, Command, CommanderError, Option } from './commander.ts';
import { VM_KINDS } from './demo/choose.ts';
import { FLAG_OPTIONS, STATS_OPTIONS } from './domstats-options.ts';
import { EXIT, type ExitStatus } from './exit.ts';
import { packageVersion } from './package-file.ts';

/** Told how a verb ended. */
export type Finish = (status: ExitStatus) => void;

const DOMAIN_HELP = 'only this domain, by name, uuid or process id; may be repeated';
const JSON_HELP = 'print one JSON document and nothing else';

/** The verbs, and what puts each on the command line. */
const VERBS: Readonly<Record<string, (program: AnyCommand, finish: Finish) => void>> = {
  list: addList,
  schemas: addSchemas,
  query: addQuery,
  info: addInfo,
  domstats: addDomStats,
  'guest-memory': addGuestMemory,
  monitor: addMonitor,
  serve: addServe,
  demo: addDemo,
  completion: addCompletion,
  complete: addComplete,
};

/**
 * The command line: verbs with their arguments, options and help. What a verb does lies in `verbs/` and is loaded when it is
 * run, so that start-up costs no more than the verb needs; for the same reason only the verbs among `words` are described,
 * and all of them where there are none, or help is asked for.
 */
export function buildProgram(finish: Finish, words: readonly string[] = []): AnyCommand {
  const program = new Command('virtstat')
    .description('Every statistic of every virtual machine on a KVM host: self-described, exact to the last bit.')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`virtstat: ${oneLine(text)}\n`) })
    .configureHelp({ showGlobalOptions: true })
    .option(
      '-c, --connect <uri>',
      'where to read; may be repeated (default: $VIRTSTAT_DEFAULT_URI, else local:)',
      collect,
    )
    .option('--timeout <ms>', 'how long one domain may take to answer (default: 3000)', parseMilliseconds)
    .option('--version', 'print the version')
    .on('option:version', () => {
      process.stdout.write(`${packageVersion()}\n`);
      throw new CommanderError(EXIT.done, 'virtstat.version', '');
    })
    .addHelpText('after', examples('virtstat query vcpu', 'virtstat -c qmp+unix:/run/vm1.qmp list'));
  const root = program as unknown as AnyCommand;
  const named = Object.keys(VERBS).filter((verb) => words.includes(verb));
  const wanted = named.length === 0 || words.some(isHelp) ? Object.keys(VERBS) : named;
  for (const verb of wanted) VERBS[verb]?.(root, finish);
  return root;
}

function isHelp(word: string): boolean {
  return word === 'help' || word === '--help' || word === '-h';
}

function addList(program: AnyCommand, finish: Finish): void {
  program
    .command('list')
    .description('list the domains, and what can be read of each')
    .option('--json', JSON_HELP)
    .addHelpText('after', examples('virtstat list', "virtstat list --json | jq -r '.[].name'"))
    .action(async (options, command) => {
      const { list } = await import('./verbs/list.ts');
      finish(await list({ ...options, ...command.optsWithGlobals() }));
    });
}

function addSchemas(program: AnyCommand, finish: Finish): void {
  program
    .command('schemas')
    .description('show what can be measured, with type and unit')
    .option('--target <target>', 'only this target: vm, vcpu, …')
    .option('--provider <provider>', 'only this provider: kvm, …')
    .option('--domain <domain>', DOMAIN_HELP, collect)
    .option('--json', JSON_HELP)
    .addHelpText('after', examples('virtstat schemas --target vcpu'))
    .action(async (options, command) => {
      const { schemas } = await import('./verbs/schemas.ts');
      finish(await schemas({ ...options, ...command.optsWithGlobals() }));
    });
}

function addQuery(program: AnyCommand, finish: Finish): void {
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
      const { query } = await import('./verbs/query.ts');
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

function addInfo(program: AnyCommand, finish: Finish): void {
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
      const { infoStats } = await import('./verbs/info.ts');
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

function addDomStats(program: AnyCommand, finish: Finish): void {
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
      const { domstats: run } = await import('./verbs/domstats.ts');
      const given = options.filter(({ name }) => {
        const option = domstats.options.find(({ long }) => long === `--${name}`);
        return option !== undefined && command.getOptionValue(option.attributeName()) === true;
      });
      const names = new Set(given.map(({ name }) => name));
      finish(await run({ ...command.optsWithGlobals(), domains: [...domains, ...domain], given: names }));
    });
}

function addGuestMemory(program: AnyCommand, finish: Finish): void {
  program
    .command('guest-memory')
    .description('show what guests report of their memory and, where they do not, why')
    .option('--poll <seconds>', 'have guests asked that nobody asks yet, while the command runs', parsePolling)
    .option('--domain <domain>', DOMAIN_HELP, collect)
    .option('--watch [seconds]', 'again and again, every second or as often as given', parseInterval)
    .option('--json', `${JSON_HELP}; with --watch one for each sweep, on a line of its own`)
    .addHelpText('after', examples('virtstat guest-memory', 'virtstat guest-memory --poll 2 --watch --domain web-1'))
    .action(async (options, command) => {
      const { guestMemory } = await import('./verbs/guest-memory.ts');
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

function addMonitor(program: AnyCommand, finish: Finish): void {
  program
    .command('monitor')
    .description("talk to one domain as to QEMU's human monitor: a prompt with history and completion")
    .option('--domain <domain>', 'the domain, by name, uuid or process id, where there are several', collect)
    .addHelpText('after', examples('virtstat monitor --domain lab-1', "echo 'info stats vm' | virtstat monitor"))
    .action(async (options, command) => {
      const { monitor } = await import('./verbs/monitor.ts');
      finish(await monitor({ ...options, ...command.optsWithGlobals() }));
    });
}

function addServe(program: AnyCommand, finish: Finish): void {
  const serve = program
    .command('serve')
    .description('run the daemon virtstatd, through which others read')
    .option('--config <file>', 'configuration file (default: /etc/virtstat/virtstat.toml, where it exists)')
    .option('--check', 'say whether the configuration is right, print all of it, and do nothing else');
  // The others are options of every command.
  const keys = CONFIG_KEYS.filter(({ name }) => name !== 'connect' && name !== 'timeout');
  for (const { name, placeholder, help, form } of keys) {
    serve.option(`--${name} <${placeholder}>`, form === 'text' ? help : `${help}; may be repeated`, collect);
  }
  serve
    .addHelpText(
      'after',
      examples('virtstat serve --check', 'virtstat serve --config ./virtstat.toml --log.level debug'),
    )
    .action(async (options, command) => {
      const { serve: run } = await import('./verbs/serve.ts');
      const { config, check } = options;
      finish(
        await run({
          ...command.optsWithGlobals(),
          ...(config !== undefined && { config }),
          ...(check === true && { check }),
          flags: Object.fromEntries(
            keys.flatMap(({ name }) => {
              const option = serve.options.find(({ long }) => long === `--${name}`);
              const texts: unknown = option && command.getOptionValue(option.attributeName());
              return Array.isArray(texts) ? [[name, texts]] : [];
            }),
          ),
        }),
      );
    });
}

function addDemo(program: AnyCommand, finish: Finish): void {
  program
    .command('demo')
    .description('start real VMs to look at, and show them live')
    .addOption(
      new Option('--vms <kind>', 'which VMs (default: the first of these that this machine can run)').choices(VM_KINDS),
    )
    .addHelpText('after', examples('virtstat demo', 'virtstat demo --vms replay'))
    .action(async (options, command) => {
      const { demo } = await import('./verbs/demo.ts');
      finish(await demo({ ...options, ...command.optsWithGlobals() }));
    });
}

function addCompletion(program: AnyCommand, finish: Finish): void {
  program
    .command('completion')
    .description('print the completion script for a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', examples('source <(virtstat completion bash)', 'virtstat completion fish | source'))
    .action(async (shell) => {
      const { printCompletionScript } = await import('./verbs/completion.ts');
      finish(await printCompletionScript(shell));
    });
}

function addComplete(program: AnyCommand, finish: Finish): void {
  program
    .command('complete', { hidden: true })
    .description('what the completion scripts call: complete -- WORDS...')
    .argument('[words...]')
    .action(async (words) => {
      const { completeWords } = await import('./verbs/completion.ts');
      finish(await completeWords(words));
    });
}

function examples(...lines: readonly string[]): string {
  return `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
}

/** A diagnostic is one line, and the program's name stands before it already. */
function oneLine(text: string): string {
  return text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ');
}
