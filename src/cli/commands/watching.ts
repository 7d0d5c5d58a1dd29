import { collect, parseCount, parseInterval } from '../arguments.ts';
import type { AnyCommand } from '../commander.ts';
import { DOMAIN_HELP, examples, type Finish } from './description.ts';

/** Describes `top`. */
export function addTop(program: AnyCommand, finish: Finish): void {
  program
    .command('top')
    .description('watch all domains live: sort, filter, and look into one; `?` lists the keys')
    .option('--domain <domain>', DOMAIN_HELP, collect)
    .option('--columns <list>', 'comma-separated: cpu, delay, exits, mem, …, and any stat as PROVIDER:STAT')
    .option('--sort <column>', 'the column to sort by, or name (default: cpu)')
    .option('--filter <regex>', 'only domains whose name, uuid or process id fits')
    .option('-d, --delay <seconds>', 'from one refresh to the next (default: 1)', parseInterval)
    .option('-b, --batch', 'plain text on the standard output, for scripts')
    .option('-n, --iterations <count>', 'refresh that often, then end', parseCount)
    .addHelpText(
      'after',
      examples(
        'virtstat top',
        'virtstat top --columns cpu,delay,kvm:halt_exits --sort delay',
        'virtstat top --batch -n 1',
      ),
    )
    .action(async ({ delay, ...options }, command) => {
      const { top } = await import('../verbs/top.ts');
      finish(
        await top({ ...options, ...command.optsWithGlobals(), ...(delay !== undefined && { intervalMs: delay }) }),
      );
    });
}
