import type { Argument, RootCommand } from '@bomb.sh/tab';
import type { Command } from 'commander';
import { Registry } from '../../registry/registry.ts';
import { openSources } from '../../source/open.ts';
import { SHELLS, type Shell } from '../arguments.ts';
import { BASH_COMPLETION } from '../bash-completion.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { buildProgram } from '../program.ts';
import { urisOf } from '../session.ts';
import { PRESETS } from '../top/columns.ts';
import { NAME } from '../top/domain-tables.ts';
import { completeColumns, completeStatsArgument, type Vocabulary, vocabularyOf } from '../vocabulary.ts';

/** How long the host may take to say what it has, in milliseconds: a person waits for the answer with a key pressed. */
const LIMIT_MS = 300;

/** What no shell takes for anything but itself: names of VMs may be anybody's. */
const PLAIN = /^[\p{L}\p{N}_@%+=:,./-]+$/u;

/** Columns of `top` that have a short name. */
const COLUMN_NAMES = PRESETS.map(({ id }) => id);

/** The verbs whose arguments are target, names and provider. */
const STATS_VERBS = ['query', 'info stats'];

/** `virtstat completion SHELL`: the script that makes the shell ask `virtstat complete`. */
export async function printCompletionScript(shell: Shell): Promise<ExitStatus> {
  if (shell === 'bash') process.stdout.write(BASH_COMPLETION);
  else (await describeProgram()).setup('virtstat', 'virtstat', shell);
  return EXIT.done;
}

/**
 * `virtstat complete -- WORDS...`: what may stand for the last word, one candidate on a line, in the form that the scripts
 * expect. Targets, names, providers and domains are those of the host; where it does not answer in time there are none.
 */
export async function completeWords(words: readonly string[]): Promise<ExitStatus> {
  const root = await describeProgram();
  const host = await askHost(words);
  const typed = words.at(-1) ?? '';
  for (const verb of STATS_VERBS) offerStats(root, verb, words.slice(0, -1), typed, host.vocabulary);
  for (const { options } of root.commands.values()) {
    offer(options.get('domain'), host.domains);
    offer(options.get('columns'), completeColumns(host.vocabulary, COLUMN_NAMES, typed));
    offer(options.get('sort'), [NAME, ...COLUMN_NAMES]);
    offer(options.get('target'), host.vocabulary.targets);
    offer(options.get('provider'), [...new Set([...host.vocabulary.providers.values()].flat())]);
  }
  for (const argument of root.commands.get('completion')?.arguments.values() ?? []) offer(argument, SHELLS);
  root.parse([...words]);
  return EXIT.done;
}

/** The command line as the completion knows it: a second copy, since describing it adds commands to it. */
async function describeProgram(): Promise<RootCommand> {
  const { default: tab } = await import('@bomb.sh/tab/commander');
  const program = buildProgram(() => {});
  const ownVerbs = new Set(['completion', 'complete']);
  const others = program as unknown as { commands: Command[] };
  others.commands = others.commands.filter((command) => !ownVerbs.has(command.name()));
  return tab(program as unknown as Command, { completionCommandName: 'completion' });
}

interface Host {
  readonly domains: readonly string[];
  readonly vocabulary: Vocabulary;
}

async function askHost(words: readonly string[]): Promise<Host> {
  const connect = words.flatMap((word, index) =>
    word === '-c' || word === '--connect' ? (words[index + 1] ?? []) : [],
  );
  const signal = AbortSignal.timeout(LIMIT_MS);
  let registry: Registry | undefined;
  try {
    registry = new Registry(await openSources(urisOf(connect.length === 0 ? {} : { connect })), {
      deadlineMs: LIMIT_MS,
    });
    const [{ domains }, answers] = await Promise.all([registry.find({ signal }), registry.schemas({ signal })]);
    return {
      domains: [...new Set(domains.map(({ name }) => name))],
      vocabulary: vocabularyOf(answers.flatMap(({ items }) => items)),
    };
  } catch {
    // A completion has nowhere to put an error.
    return { domains: [], vocabulary: vocabularyOf([]) };
  } finally {
    await registry?.close();
  }
}

function offerStats(
  root: RootCommand,
  verb: string,
  words: readonly string[],
  typed: string,
  vocabulary: Vocabulary,
): void {
  const command = root.commands.get(verb);
  const last = verb.split(' ').at(-1) as string;
  const before = argumentsAfter(words, last);
  for (const argument of command?.arguments.values() ?? []) {
    offer(argument, completeStatsArgument(vocabulary, before, typed));
  }
}

/** The arguments that stand after a verb, without options and their values. */
function argumentsAfter(words: readonly string[], verb: string): readonly string[] {
  const found: string[] = [];
  for (let index = words.lastIndexOf(verb) + 1; index < words.length; index++) {
    const word = words[index] as string;
    if (!word.startsWith('-')) found.push(word);
    else if (/^(-c|--(connect|timeout|domain|path|cpu|poll))$/.test(word)) index++;
  }
  return found;
}

function offer(taker: Pick<Argument, 'handler'> | { handler?: unknown } | undefined, words: readonly string[]): void {
  if (taker === undefined) return;
  taker.handler = (complete: (value: string, description: string) => void): void => {
    for (const word of words.filter((each) => PLAIN.test(each))) complete(word, '');
  };
}
