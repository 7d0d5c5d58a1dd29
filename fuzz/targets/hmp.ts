import fc from 'fast-check';
import {
  INFO_STATS_HELP,
  type InfoStatsArguments,
  MAX_ARGUMENT_BYTES,
  parseInfoStatsArguments,
  QEMU_WORDS,
} from '../../src/protocol/hmp/command-line.ts';
import { parseInfoStats } from '../../src/protocol/hmp/info-stats-parse.ts';
import { parseMonitorLine } from '../../src/protocol/hmp/monitor-line.ts';
import { attempt, type FuzzTarget, must, mustEqual } from '../target.ts';
import { anyText, utf8 } from '../texts.ts';

/** Every line that answers something else than a right `info stats`. */
const ANSWER =
  /^(unknown command: '[\s\S]*'|stats: (string expected|extraneous characters at the end of line)|Try "help info stats" for more information|invalid stats (target|provider) [\s\S]*)$/;

function checkAnswer(lines: readonly string[]): string {
  for (const line of lines) must(line === INFO_STATS_HELP || ANSWER.test(line), `QEMU has no such text: ${line}`);
  return lines.map((line) => line.replace(/'[\s\S]*'|(?<=target |provider )[\s\S]*/, '')).join(' / ');
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** The arguments as a command line again, every one of them in quotes. */
function written({ target, names, provider }: InfoStatsArguments): string {
  const list = names?.join(',') ?? '*';
  return [target, list, ...(provider === undefined ? [] : [provider])].map(quoted).join(' ');
}

function checkLine(line: string): string {
  const asked = parseMonitorLine(line);
  if (asked.kind === 'answer') return checkAnswer(asked.lines);
  const parsed = parseInfoStatsArguments(asked.args);
  if (!parsed.ok) return checkAnswer(parsed.lines);
  const { target, names, provider } = parsed.value;
  must(QEMU_WORDS.targets.includes(target), `takes the target ${target}`);
  must(provider === undefined || QEMU_WORDS.providers.includes(provider), `takes the provider ${provider}`);
  // A word that was cut in the middle of a character is longer than it was.
  if (Buffer.byteLength(names?.join(',') ?? '') <= MAX_ARGUMENT_BYTES) {
    const again = parseInfoStatsArguments(written(parsed.value));
    mustEqual(again, { ok: true, value: parsed.value }, 'arguments change when they are written');
  }
  return `${target} ${Math.min(names?.length ?? 9, 2)} ${provider}`;
}

function checkText(text: string): string {
  const outcome = attempt(() => parseInfoStats(text, { target: 'vm', provider: 'kvm' }), ['HMP_TEXT_INVALID']);
  if ('code' in outcome) return outcome.code;
  for (const { schema, stats } of outcome.value) {
    mustEqual(
      stats.map(({ name }) => name),
      schema.stats.map(({ name }) => name),
      'a schema has other names',
    );
  }
  return outcome.value
    .map(({ stats }) =>
      stats
        .map(({ value }) => typeof value)
        .slice(0, 3)
        .join(),
    )
    .join(' ');
}

function check(input: Uint8Array): string {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(input);
  return `${checkLine(text)} | ${checkText(text)}`;
}

const word = fc.oneof(
  fc.constantFrom('info', 'stats', 'help', '?', 'vm', 'vcpu', 'kvm', 'cryptodev', '*', 'exits,halt_exits', '/', ','),
  anyText(8),
  fc.string({ maxLength: 8 }).map(quoted),
);
const blank = fc.constantFrom(' ', '\t', '  ', '\n', '\v\f');
const line = fc
  .tuple(fc.constantFrom('', 'info stats ', 'info stats vm '), fc.array(fc.tuple(word, blank), { maxLength: 5 }))
  .map(([begin, words]) => begin + words.flat().join(''));
const statLine = fc
  .tuple(
    fc.constantFrom(
      'x (cumulative)',
      'y (peak, ns)',
      'h (log2-histogram, * 2^10)',
      'l (linear-histogram, B, bucket size=5)',
    ),
    fc.constantFrom('5', '-1', 'yes', '[1]=3 [2]=-4 ', ''),
  )
  .map(([stat, value]) => `    ${stat}: ${value}`);
const result = fc.array(statLine, { maxLength: 4 }).map((lines) => ['provider: kvm', ...lines, ''].join('\r\n'));

/** The human monitor: the lines that people and scripts type, and the text of `info stats`. */
export const hmp: FuzzTarget = {
  name: 'hmp',
  words: [
    ...['info ', 'info stats ', 'help ', '? ', 'vm', 'vcpu', '"', '\\"', '\\n', '\\x', ' ', '\t', '/', ',', '*', 'kvm'],
    ...[
      'provider: ',
      '    ',
      ' (',
      '): ',
      ', ',
      'bucket size=',
      '* 2^10',
      '[1]=',
      '[2]=',
      'yes',
      '\r\n',
      'cumulative',
      ' (',
    ],
  ],
  inputs: fc.oneof(line, result).map(utf8),
  check,
};
