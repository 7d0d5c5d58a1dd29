import { parse, TomlError } from 'smol-toml';

/** A table of TOML: keys and values as they were written. */
export type TomlTable = Readonly<Record<string, unknown>>;

/** What a text holds, or what is wrong with it. */
export type TomlOutcome =
  | { readonly table: TomlTable }
  | { readonly reason: string; readonly line: number; readonly column: number };

/** Reads TOML 1.0. Integers that a `number` would round are bigint. */
export function readToml(text: string): TomlOutcome {
  try {
    return { table: parse(text, { integersAsBigInt: 'asNeeded' }) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [reason = ''] = error.message.split('\n', 1);
    return { reason: reason.replace(/^Invalid TOML document: /, ''), line: error.line, column: error.column };
  }
}

/** The most text that is parsed in search of lines, in characters: a second or two of work, which real files are far from. */
export const MAX_SEARCHED_LENGTH: number = 8 * 2 ** 20;

/**
 * Finds the lines of values. `text` must be right as a whole.
 *
 * The parser does not say where a value stood. But a text that is cut at the end of a line is either in the middle of
 * something, and refused, or right as far as it goes: the value begins behind the last right piece that does not have it.
 * A text that takes more than {@link MAX_SEARCHED_LENGTH} to search has no lines from there on.
 */
export class TomlLines {
  readonly #text: string;
  /** Where each line ends; the first entry is the start of the text. */
  readonly #ends: readonly number[];
  /** Pieces that are not right, by their number of lines. */
  readonly #wrong = new Set<number>();
  #whole: TomlTable | undefined;
  #left = MAX_SEARCHED_LENGTH;

  constructor(text: string) {
    this.#text = text;
    const ends = [0];
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) ends.push(end);
    this.#ends = [...ends, text.length];
  }

  /**
   * The line, counted from 1, where the value at `path` begins, or the innermost of its parents that is written down;
   * undefined where none is, and where finding it takes too long.
   */
  of(path: readonly PropertyKey[]): number | undefined {
    this.#whole ??= this.#tableOf(this.#lines);
    for (let length = path.length; length > 0; length--) {
      const wanted = path.slice(0, length);
      if (has(this.#whole, wanted)) return this.#lineOf(wanted);
    }
    return undefined;
  }

  get #lines(): number {
    return this.#ends.length - 1;
  }

  #lineOf(wanted: readonly PropertyKey[]): number | undefined {
    // The first `low` lines do not have it, the first `high` have.
    let [low, high] = [0, this.#lines];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      const { count, table } = this.#rightPiece(middle, low);
      if (has(table, wanted)) high = count;
      else if (count === low) {
        const next = this.#nextRightPiece(middle + 1, high);
        if (has(next.table, wanted)) high = low + 1;
        else low = next.count;
      } else low = count;
      if (this.#left <= 0) return undefined;
    }
    return high;
  }

  /** The longest right piece of at most `max` and at least `min` lines. */
  #rightPiece(max: number, min: number): Piece {
    for (let count = max; count > min; count--) {
      const table = this.#tableOf(count);
      if (table !== undefined) return { count, table };
    }
    return { count: min, table: this.#tableOf(min) };
  }

  /** The shortest right piece of at least `min` and at most `max` lines. */
  #nextRightPiece(min: number, max: number): Piece {
    for (let count = min; count < max; count++) {
      const table = this.#tableOf(count);
      if (table !== undefined) return { count, table };
    }
    return { count: max, table: this.#tableOf(max) };
  }

  /** What the first lines hold; undefined where they are not right by themselves. */
  #tableOf(count: number): TomlTable | undefined {
    const end = this.#ends[count] as number;
    if (this.#wrong.has(count) || this.#left <= 0) return undefined;
    this.#left -= end;
    const outcome = readToml(this.#text.slice(0, end));
    if ('table' in outcome) return outcome.table;
    this.#wrong.add(count);
    return undefined;
  }
}

interface Piece {
  readonly count: number;
  readonly table: TomlTable | undefined;
}

function has(value: unknown, path: readonly PropertyKey[]): boolean {
  let inner = value;
  for (const part of path) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, part)) return false;
    inner = (inner as Readonly<Record<PropertyKey, unknown>>)[part];
  }
  return true;
}
