/** Dots of one character, by column and row, as bits of its code point: Unicode's Braille Patterns, U+2800 to U+28FF. */
const DOTS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

/** The character without a dot. */
const EMPTY = 0x2800;

/** Dots in one character. */
export const DOTS_WIDE = 2;
/** See {@link DOTS_WIDE}. */
export const DOTS_HIGH = 4;

/** A rectangle of characters, each of 2 × 4 dots, of which each belongs to the line that was drawn last through it. */
export class BrailleCanvas {
  readonly columns: number;
  readonly rows: number;
  readonly #bits: Uint8Array;
  readonly #owners: Int16Array;

  /** In characters, each at least 1. */
  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
    this.#bits = new Uint8Array(columns * rows);
    this.#owners = new Int16Array(columns * rows).fill(-1);
  }

  /** A line from dot to dot, the origin at the upper left; what is outside is left out. `owner` counts from 0. */
  line(fromX: number, fromY: number, toX: number, toY: number, owner: number): void {
    const steps = Math.max(Math.abs(toX - fromX), Math.abs(toY - fromY), 1);
    for (let step = 0; step <= steps; step++) {
      this.dot(
        Math.round(fromX + ((toX - fromX) * step) / steps),
        Math.round(fromY + ((toY - fromY) * step) / steps),
        owner,
      );
    }
  }

  /** One dot; nothing where it is outside. */
  dot(x: number, y: number, owner: number): void {
    const [column, row] = [Math.floor(x / DOTS_WIDE), Math.floor(y / DOTS_HIGH)];
    if (column < 0 || row < 0 || column >= this.columns || row >= this.rows) return;
    const index = row * this.columns + column;
    const bit = DOTS[x % DOTS_WIDE === 0 ? 0 : 1][y % DOTS_HIGH] ?? 0;
    this.#bits[index] = (this.#bits[index] ?? 0) | bit;
    this.#owners[index] = owner;
  }

  /** One row of characters, pieces of the same line together; `paint` gives a piece its style. Owner -1: no line. */
  row(row: number, paint: (text: string, owner: number) => string): string {
    let [painted, piece, owner] = ['', '', -1];
    for (let column = 0; column < this.columns; column++) {
      const index = row * this.columns + column;
      const bits = this.#bits[index] ?? 0;
      const next = bits === 0 ? -1 : (this.#owners[index] ?? -1);
      if (next !== owner) {
        painted += piece === '' ? '' : paint(piece, owner);
        [piece, owner] = ['', next];
      }
      piece += bits === 0 ? ' ' : String.fromCodePoint(EMPTY + bits);
    }
    return painted + (piece === '' ? '' : paint(piece, owner));
  }
}
