/** What one measurement showed: ours against a rival, in the same run. Less is better in every unit. */
export interface BenchResult {
  /** What was measured, in a few words. */
  readonly name: string;
  /** What it is compared with. */
  readonly rival: string;
  /** Unit of both figures: `ns CPU/file`. */
  readonly unit: string;
  readonly ours: number;
  /** Absent where the limit is on our figure itself. */
  readonly theirs?: number;
  /** Ours / theirs, the median of several rounds; our figure itself where there is no rival. */
  readonly ratio: number;
  /** The ratio must not be above it. */
  readonly limit: number;
}

/** A measurement that cannot be made here. */
export interface BenchSkip {
  readonly name: string;
  /** Why: which peer, program or right is missing. */
  readonly skipped: string;
}

/** What a file of this folder exports as `run`. It ends what it starts, also when it fails. */
export type Run = () => Promise<readonly (BenchResult | BenchSkip)[]>;

/** True where the limit is kept. */
export function isPassed(result: BenchResult): boolean {
  return result.ratio <= result.limit;
}

/** The middle of the figures; the lower of two. */
export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

/** The figure below which `share` (0 to 1) of all lie: 0.99 is the 99th percentile. */
export function quantile(figures: Iterable<number>, share: number): number {
  const sorted = Float64Array.from(figures).sort();
  return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
}

/** CPU time of this process, its threads and the kernel's work for it, in nanoseconds. */
export function cpuNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

const COLUMNS = [36, 26, 14, 14, 14, 9, 9] as const;

/** The line above the results. */
export function heading(): string {
  return row('measured', 'against', 'unit', 'ours', 'theirs', 'ratio', 'limit');
}

/** One line of the table. */
export function line(item: BenchResult | BenchSkip): string {
  if ('skipped' in item) return `${item.name.padEnd(COLUMNS[0])}  skipped: ${item.skipped}`;
  const { name, rival, unit, ours, theirs, ratio, limit } = item;
  const cells = row(
    name,
    rival,
    unit,
    digits(ours),
    theirs === undefined ? '' : digits(theirs),
    digits(ratio),
    digits(limit),
  );
  return `${cells}  ${isPassed(item) ? 'ok' : 'TOO SLOW'}`;
}

function row(...cells: readonly string[]): string {
  return cells.map((cell, index) => cell.padEnd(COLUMNS[index] ?? 0)).join('  ');
}

function digits(figure: number): string {
  return String(Number(figure.toPrecision(3)));
}
