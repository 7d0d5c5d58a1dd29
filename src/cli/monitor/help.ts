import { INFO_STATS_HELP, unknownCommand } from '../../protocol/hmp/command-line.ts';

/** The help line of each command, in QEMU's form `name arguments -- what it does`. */
const COMMANDS: Readonly<Record<string, string>> = {
  cpu: 'cpu index -- set the default CPU',
  help: 'help|? [cmd] -- show the help',
  info: 'info [subcommand] -- show various information about the system state',
  quit: 'quit|q  -- leave this monitor; the virtual machine goes on',
};

const TOPICS: Readonly<Record<string, string>> = {
  cpus: 'info cpus  -- show infos for each CPU',
  name: 'info name  -- show the current VM name',
  stats: INFO_STATS_HELP,
  status: 'info status  -- show the current VM status (running|paused)',
  uuid: 'info uuid  -- show the current VM UUID',
  version: 'info version  -- show the version of QEMU',
};

/** The commands of the monitor. */
export const MONITOR_COMMANDS: readonly string[] = Object.keys(COMMANDS);

/** What `info` can show. */
export const INFO_TOPICS: readonly string[] = Object.keys(TOPICS);

/** The lines of `help`, for everything, for a command, or for `info` and one of its topics. */
export function helpText(about: string): readonly string[] {
  const [word = '', topic] = about.split(/\s+/);
  if (word === '') return Object.values(COMMANDS);
  if (word !== 'info') return [lineFor(COMMANDS, word, word)];
  return topic === undefined ? Object.values(TOPICS) : [lineFor(TOPICS, topic, `info ${topic}`)];
}

function lineFor(table: Readonly<Record<string, string>>, word: string, command: string): string {
  return (Object.hasOwn(table, word) ? table[word] : undefined) ?? unknownCommand(command);
}
