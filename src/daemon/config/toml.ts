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

/**
 * The line, counted from 1, where the value at `path` begins, or the innermost of its parents that is written down;
 * undefined where none is. `text` must be right as a whole.
 *
 * The parser does not say where a value stood. But a text that is cut at the end of a line is either in the middle of
 * something, and refused, or right as far as it goes: the value begins behind the last right piece that does not have it.
 */
export function lineOf(text: string, path: readonly PropertyKey[]): number | undefined {
  const lines = text.split('\n');
  for (let length = path.length; length > 0; length--) {
    const wanted = path.slice(0, length);
    if (!has(tableOf(text), wanted)) continue;
    // The first `low` lines do not have it, the first `high` have.
    let [low, high] = [0, lines.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      const { count, table } = rightPiece(lines, middle, low);
      if (has(table, wanted)) high = count;
      else if (count === low) {
        const next = nextRightPiece(lines, middle + 1, high);
        if (has(next.table, wanted)) return low + 1;
        low = next.count;
      } else low = count;
    }
    return high;
  }
  return undefined;
}

interface Piece {
  readonly count: number;
  readonly table: TomlTable | undefined;
}

/** The longest right piece of at most `max` and at least `min` lines. */
function rightPiece(lines: readonly string[], max: number, min: number): Piece {
  for (let count = max; count > min; count--) {
    const table = tableOf(lines.slice(0, count).join('\n'));
    if (table !== undefined) return { count, table };
  }
  return { count: min, table: tableOf(lines.slice(0, min).join('\n')) };
}

/** The shortest right piece of at least `min` and at most `max` lines. */
function nextRightPiece(lines: readonly string[], min: number, max: number): Piece {
  for (let count = min; count < max; count++) {
    const table = tableOf(lines.slice(0, count).join('\n'));
    if (table !== undefined) return { count, table };
  }
  return { count: max, table: tableOf(lines.slice(0, max).join('\n')) };
}

function tableOf(text: string): TomlTable | undefined {
  const outcome = readToml(text);
  return 'table' in outcome ? outcome.table : undefined;
}

function has(value: unknown, path: readonly PropertyKey[]): boolean {
  let inner = value;
  for (const part of path) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, part)) return false;
    inner = (inner as Readonly<Record<PropertyKey, unknown>>)[part];
  }
  return true;
}
