import { CONFIG_KEYS } from '../../daemon/config/keys.ts';
import { collect } from '../arguments.ts';
import { type AnyCommand, Option } from '../commander.ts';
import { VM_KINDS } from '../demo/choose.ts';
import { examples, type Finish } from './description.ts';

/** Describes `serve`. */
export function addServe(program: AnyCommand, finish: Finish): void {
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
      const { serve: run } = await import('../verbs/serve.ts');
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

/** Describes `demo`. */
export function addDemo(program: AnyCommand, finish: Finish): void {
  program
    .command('demo')
    .description('start real VMs to look at, and show them live')
    .addOption(
      new Option('--vms <kind>', 'which VMs (default: the first of these that this machine can run)').choices(VM_KINDS),
    )
    .addHelpText('after', examples('virtstat demo', 'virtstat demo --vms replay'))
    .action(async (options, command) => {
      const { demo } = await import('../verbs/demo.ts');
      finish(await demo({ ...options, ...command.optsWithGlobals() }));
    });
}
