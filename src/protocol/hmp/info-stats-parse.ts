import { VirtstatError } from '../../model/errors.ts';
import type { StatEntry, StatValue } from '../../model/sample.ts';
import type { Schema, StatDescriptor } from '../../model/stat.ts';
import { parseUnitText } from './unit-text.ts';

/** The longest text that is looked at, in characters. A VM's whole text has some 5000 for each vCPU. */
export const MAX_TEXT_LENGTH: number = 16 * 1024 * 1024;

/** The most values of one stat: the kernel's field for it has 16 bits. */
export const MAX_LIST_LENGTH = 65_535;

/** What was asked: the text itself does not say it. */
export interface InfoStatsQuestion {
  readonly target: string;
  /** Present where the question named a provider: the text then does not. */
  readonly provider?: string;
}

/** One result of the text: what the stats are, and what they were, both in the kernel's order. */
export interface InfoStatsResult {
  readonly schema: Schema;
  readonly stats: readonly StatEntry[];
}

/**
 * Reads what `info stats` prints (see {@link formatInfoStats}), with LF or CRLF, back into our order: results and stats
 * turned around, buckets ascending, numbers unsigned.
 * @throws HMP_TEXT_INVALID with the number of the first line that is something else
 */
export function parseInfoStats(text: string, asked: InfoStatsQuestion): readonly InfoStatsResult[] {
  if (text.length > MAX_TEXT_LENGTH) {
    throw new VirtstatError(
      'HMP_TEXT_INVALID',
      `the text has ${text.length} characters; at most ${MAX_TEXT_LENGTH} are read`,
    );
  }
  const results: Result[] = [];
  for (const [index, line] of linesOf(text).entries()) {
    const provider = /^provider: (.+)$/.exec(line)?.[1];
    if (provider !== undefined) {
      results.push(new Result(provider));
      continue;
    }
    if (results.length === 0) results.push(new Result(asked.provider ?? fail(index, line, 'no provider is named')));
    results.at(-1)?.add(line, index);
  }
  return results.toReversed().map((result) => result.finish(asked.target));
}

function linesOf(text: string): readonly string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** Collects the lines of one result. */
class Result {
  readonly #provider: string;
  readonly #descriptors: StatDescriptor[] = [];
  readonly #stats: StatEntry[] = [];

  constructor(provider: string) {
    this.#provider = provider;
  }

  add(line: string, index: number): void {
    const { descriptor, value } = parseLine(line, index);
    this.#descriptors.push(descriptor);
    this.#stats.push({ name: descriptor.name, value });
  }

  finish(target: string): InfoStatsResult {
    return {
      schema: { provider: this.#provider, target, stats: this.#descriptors.toReversed() },
      stats: this.#stats.toReversed(),
    };
  }
}

/**
 * A name may hold anything, so the line is read from its end: no value has a bracket that the part before the colon
 * could be mistaken for.
 */
const LINE = /^ {4}(.+) \(([^,()]+)(?:, (?!bucket size=)([^,()]+))?(?:, bucket size=(-?\d{1,10}))?\): ([^():]*)$/;

function parseLine(line: string, index: number): { descriptor: StatDescriptor; value: StatValue } {
  const [, name, type, unit = '', bucketSize, valueText] = LINE.exec(line) ?? [];
  if (name === undefined || type === undefined || valueText === undefined) {
    return fail(index, line, 'it is no line of a stat');
  }
  const value = parseValue(valueText) ?? fail(index, line, 'its value is none that QEMU prints');
  const size = typeof value === 'object' ? value.length : 1;
  return {
    descriptor: {
      name,
      type,
      ...parseUnitText(unit),
      ...(bucketSize !== undefined && { bucketSize: Number(bucketSize) >>> 0 }),
      size,
    },
    value,
  };
}

function parseValue(text: string): StatValue | undefined {
  if (text === 'yes' || text === 'no') return text === 'yes';
  if (/^-?\d{1,19}$/.test(text)) return unsigned(text);
  return parseList(text);
}

function parseList(text: string): readonly bigint[] | undefined {
  const values: bigint[] = [];
  const items = /\[(\d{1,5})\]=(-?\d{1,19}) /y;
  while (items.lastIndex < text.length) {
    const item = items.exec(text);
    const value = item?.[2] === undefined ? undefined : unsigned(item[2]);
    if (value === undefined || Number(item?.[1]) !== values.length + 1 || values.length === MAX_LIST_LENGTH) {
      return undefined;
    }
    values.push(value);
  }
  return values.toReversed();
}

/** The 64 bits of a signed number, read as unsigned; undefined where it has more. */
function unsigned(text: string): bigint | undefined {
  const value = BigInt(text);
  return BigInt.asIntN(64, value) === value ? BigInt.asUintN(64, value) : undefined;
}

function fail(index: number, line: string, why: string): never {
  const shown = JSON.stringify(line.length > 80 ? `${line.slice(0, 80)}…` : line);
  throw new VirtstatError(
    'HMP_TEXT_INVALID',
    `line ${index + 1} of the text is not what info stats prints: ${why}: ${shown}`,
  );
}
