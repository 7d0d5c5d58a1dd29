import { collect, parseMilliseconds } from './arguments.ts';
import { type AnyCommand, Command, CommanderError } from './commander.ts';
import { addComplete, addCompletion } from './commands/completing.ts';
import { examples, type Finish } from './commands/description.ts';
import { addPlot, addRecord } from './commands/history.ts';
import { addDomStats, addGuestMemory, addInfo, addList, addMonitor, addQuery, addSchemas } from './commands/reading.ts';
import { addDemo, addServe } from './commands/running.ts';
import { addTop } from './commands/watching.ts';
import { EXIT } from './exit.ts';
import { packageVersion } from './package-file.ts';

/** The verbs, and what puts each on the command line. */
const VERBS: Readonly<Record<string, (program: AnyCommand, finish: Finish) => void>> = {
  list: addList,
  schemas: addSchemas,
  query: addQuery,
  info: addInfo,
  domstats: addDomStats,
  'guest-memory': addGuestMemory,
  top: addTop,
  monitor: addMonitor,
  record: addRecord,
  plot: addPlot,
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

/** A diagnostic is one line, and the program's name stands before it already. */
function oneLine(text: string): string {
  return text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ');
}
