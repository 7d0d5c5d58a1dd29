import { INFO_STATS_HELP, unknownCommand } from './command-line.ts';

/**
 * What one line of a human monitor asks, where `info stats` is the only command that exists: its arguments, or the lines
 * that answer it. Names are cut up as QEMU does it: they end at a blank or a slash, and a name that does not exist is told
 * with everything that was typed in front of it.
 */
export type MonitorLine =
  | { readonly kind: 'info-stats'; readonly args: string }
  | { readonly kind: 'answer'; readonly lines: readonly string[] };

const BLANKS = /^[ \t\n\v\f\r]*/;
const NAME = /^[^ \t\n\v\f\r/]*/;
const HELP: ReadonlySet<string> = new Set(['help', '?']);

/** Cuts up a line. */
export function parseMonitorLine(line: string): MonitorLine {
  const command = nameAt(line, 0);
  if (command.start === line.length) return answer();
  if (HELP.has(command.name)) return answer(help(line.slice(command.end)));
  if (command.name !== 'info') return answer(unknownCommand(line.slice(0, command.end)));
  if (skipBlanks(line, command.end) === line.length) return answer(INFO_STATS_HELP);
  const topic = nameAt(line, command.end);
  if (topic.name !== 'stats') return answer(unknownCommand(line.slice(0, topic.end)));
  return { kind: 'info-stats', args: line.slice(topic.end) };
}

/** What `help` says to the words behind it. */
function help(text: string): string {
  const [command, topic] = text.split(/[ \t\n\v\f\r]+/).filter(Boolean);
  if (command === undefined || (command === 'info' && (topic === undefined || topic === 'stats')))
    return INFO_STATS_HELP;
  return unknownCommand(command === 'info' ? `${command} ${topic}` : command);
}

function answer(...lines: string[]): MonitorLine {
  return { kind: 'answer', lines };
}

function nameAt(line: string, at: number): { readonly name: string; readonly start: number; readonly end: number } {
  const start = skipBlanks(line, at);
  const name = NAME.exec(line.slice(start))?.[0] ?? '';
  return { name, start, end: start + name.length };
}

function skipBlanks(line: string, at: number): number {
  return at + (BLANKS.exec(line.slice(at))?.[0].length ?? 0);
}
