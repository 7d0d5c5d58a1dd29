import type { Domain } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { StatsFilter } from '../../model/filter.ts';
import type { Sample } from '../../model/sample.ts';
import {
  INVALID_CPU_INDEX,
  type InfoStatsArguments,
  parseInfoStatsArguments,
  QEMU_WORDS,
  unknownCommand,
} from '../../protocol/hmp/command-line.ts';
import type { Registry } from '../../registry/registry.ts';
import { messageOf } from '../exit.ts';
import { cpuPaths, infoStatsText, providersAsked } from '../info-stats.ts';
import { printable } from '../render/text.ts';
import { answerOf } from '../select.ts';
import { completeStatsArgument, type Vocabulary, vocabularyOf } from '../vocabulary.ts';
import { helpText, INFO_TOPICS, MONITOR_COMMANDS } from './help.ts';

/** What a line typed at the prompt comes to. */
export interface MonitorAnswer {
  /** Whole lines; empty where there is nothing to say. */
  readonly text: string;
  readonly quits: boolean;
}

/** What `info uuid` prints for a machine without one. */
const NO_UUID = '00000000-0000-0000-0000-000000000000';

/** A whole number as C's strtoull() takes it, and what stands behind it. */
const C_INTEGER = /^(-?)(0x[\da-f]+|0[0-7]*|[1-9]\d*)(.*)$/i;

/** QEMU's monitor reads the index of a CPU as an integer of 32 bits. */
const MAX_CPU_INDEX = 0xffff_ffff;

/**
 * A session with one domain that answers as QEMU's human monitor does, line by line: same words, same texts. It keeps the
 * chosen CPU. Errors are text, as there.
 */
export class MonitorShell {
  readonly #registry: Registry;
  readonly #domain: Domain;
  readonly #signal: AbortSignal;
  #cpu = 0;
  #vocabulary: Vocabulary | undefined;

  constructor(registry: Registry, domain: Domain, signal: AbortSignal) {
    this.#registry = registry;
    this.#domain = domain;
    this.#signal = signal;
  }

  /** Answers one line. Never rejects for what is on it. */
  async answer(line: string): Promise<MonitorAnswer> {
    const command = line.trim();
    if (command === '' || command.startsWith('#')) return say();
    try {
      return await this.#run(command);
    } catch (error) {
      return say(messageOf(error));
    }
  }

  /** What may stand at the end of a line, and the part of it that it replaces. Never rejects. */
  async complete(line: string): Promise<[matches: string[], typed: string]> {
    const words = line.trimStart().split(/\s+/);
    const typed = words.at(-1) ?? '';
    const before = words.slice(0, -1);
    const candidates = await this.#candidates(before, typed);
    return [candidates.filter((word) => word.startsWith(typed)), typed];
  }

  async #candidates(before: readonly string[], typed: string): Promise<readonly string[]> {
    const [command, topic, ...rest] = before;
    if (command === undefined) return MONITOR_COMMANDS;
    if (command === 'help' || command === '?') return topic === undefined ? MONITOR_COMMANDS : [];
    if (command !== 'info') return [];
    if (topic === undefined) return INFO_TOPICS;
    if (topic !== 'stats') return [];
    return completeStatsArgument(await this.#words(), rest, typed);
  }

  async #run(command: string): Promise<MonitorAnswer> {
    const { word, rest } = splitWord(command);
    if (word === 'quit' || word === 'q') {
      return rest === '' ? { text: '', quits: true } : say(...extraneous('quit|q', word));
    }
    if (word === 'help' || word === '?') return say(...helpText(rest));
    if (word === 'cpu') return say(...(await this.#chooseCpu(rest)));
    if (word !== 'info') return say(unknownCommand(word));
    const { word: topic, rest: argument } = splitWord(rest);
    if (topic === '') return say(...helpText('info'));
    if (topic === 'stats') return { text: await this.#infoStats(argument), quits: false };
    if (!INFO_TOPICS.includes(topic)) return say(unknownCommand(`info ${topic}`));
    if (argument !== '') return say(...extraneous(topic, `info ${topic}`));
    // What the VM is called is its owner's choice.
    return say(...(await this.#info(topic)).map(printable));
  }

  async #infoStats(argument: string): Promise<string> {
    const { items: schemas, errors } = answerOf(this.#domain, await this.#registry.schemas(this.#read()));
    const parsed = parseInfoStatsArguments(argument, {
      targets: [...QEMU_WORDS.targets, ...schemas.map(({ target }) => target)],
      providers: [...QEMU_WORDS.providers, ...schemas.map(({ provider }) => provider)],
    });
    if (!parsed.ok) return lines(parsed.lines);
    const asked = parsed.value;
    const providers = asked.provider === undefined ? providersAsked(asked.target, schemas) : [asked.provider];
    // What fails for another target is of no interest here.
    if (!schemas.some(({ target }) => target === asked.target) && errors.length > 0) throw errors[0];
    const filter = filterOf(asked, providers);
    const samples = await this.#query(filter);
    return infoStatsText(samples, { filter, schemas, providerAsked: asked.provider !== undefined, cpu: this.#cpu });
  }

  async #info(topic: string): Promise<readonly string[]> {
    if (topic === 'cpus') {
      const paths = await this.#cpus();
      return paths.map((path, index) => `${index === this.#cpu ? '*' : ' '} CPU #${index}: qom-path=${path}`);
    }
    const domain = await this.#describe();
    if (topic === 'name') return [domain.name];
    if (topic === 'uuid') return [domain.uuid ?? NO_UUID];
    if (topic === 'version') return [versionLine(domain)];
    return [statusLine(domain)];
  }

  async #chooseCpu(argument: string): Promise<readonly string[]> {
    const hint = 'Try "help cpu" for more information';
    const { word: typed, rest } = splitWord(argument);
    const [, sign, digits = '', behind = ''] = C_INTEGER.exec(typed) ?? [];
    const wrong = typed.replace(/^-/, '').charAt(0);
    if (wrong === '') return ['unexpected end of expression', hint];
    if (digits === '') return [`invalid char '${wrong}' in expression`, hint];
    if (behind + rest !== '') return extraneous('cpu', 'cpu');
    const index = /^0\d/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
    if (sign === '-' ? index > 0 : index > MAX_CPU_INDEX) {
      return ["'cpu' has failed: integer is for 32-bit values", hint];
    }
    if (index >= (await this.#cpus()).length) return [INVALID_CPU_INDEX];
    this.#cpu = index;
    return [];
  }

  async #cpus(): Promise<readonly string[]> {
    return cpuPaths(await this.#query({ target: 'vcpu' }));
  }

  async #query(filter: StatsFilter): Promise<readonly Sample[]> {
    const { items, errors } = answerOf(this.#domain, await this.#registry.query(filter, this.#read()));
    if (errors.length > 0) throw errors[0];
    return items;
  }

  async #describe(): Promise<Domain> {
    return answerOf(this.#domain, await this.#registry.list(this.#read())).domain;
  }

  /** Schemas do not change while a VM lives, so completion asks once. */
  async #words(): Promise<Vocabulary> {
    if (this.#vocabulary !== undefined) return this.#vocabulary;
    const schemas = (await this.#registry.schemas(this.#read())).flatMap(({ items }) => items);
    const vocabulary = vocabularyOf(schemas);
    if (schemas.length > 0) this.#vocabulary = vocabulary;
    return vocabulary;
  }

  #read(): { readonly domains: readonly string[]; readonly signal: AbortSignal } {
    return { domains: [this.#domain.id], signal: this.#signal };
  }
}

function filterOf({ target, names }: InfoStatsArguments, providers: readonly string[]): StatsFilter {
  return { target, providers: providers.map((name) => ({ provider: name, ...(names && { names }) })) };
}

/** QEMU names the run state where it is not simply paused. */
function statusLine({ state }: Domain): string {
  if (state === undefined)
    throw new VirtstatError('NOTHING_MATCHED', 'the run state is not known: no monitor can be asked');
  if (state === 'running') return 'VM status: running';
  return state === 'paused' ? 'VM status: paused' : `VM status: paused (${state})`;
}

/** Version and package stand side by side, as QEMU prints them. */
function versionLine({ vmm }: Domain): string {
  if (vmm === undefined)
    throw new VirtstatError('NOTHING_MATCHED', 'the version is not known: no monitor can be asked');
  return `${vmm.version}${vmm.package ?? ''}`;
}

function extraneous(command: string, help: string): readonly string[] {
  return [`${command}: extraneous characters at the end of line`, `Try "help ${help}" for more information`];
}

function splitWord(text: string): { readonly word: string; readonly rest: string } {
  const [, word = '', rest = ''] = /^(\S*)\s*(.*)$/s.exec(text) ?? [];
  return { word, rest: rest.trimEnd() };
}

function say(...said: readonly string[]): MonitorAnswer {
  return { text: lines(said), quits: false };
}

function lines(said: readonly string[]): string {
  return said.map((line) => `${line}\n`).join('');
}
