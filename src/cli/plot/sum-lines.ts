import type { ChartPoint } from './panel.ts';

/**
 * Growth of several objects as one line, at the times of the one that was read most often: each counts with its growth of that
 * moment. One that was not there yet, or no more, counts nothing; where the value of one that is there is missing, so is the sum.
 */
export function sumLines(lines: readonly (readonly ChartPoint[])[]): readonly ChartPoint[] {
  const grid = lines.reduce<readonly ChartPoint[]>(
    (longest, line) => (line.length > longest.length ? line : longest),
    [],
  );
  const readers = lines.map((line) => growthAt(line));
  return grid.map(({ atMs }) => {
    let sum: number | undefined = 0;
    for (const read of readers) {
      const value = read(atMs);
      if (value === 'absent') continue;
      sum = value === undefined || sum === undefined ? undefined : sum + value;
    }
    return { atMs, value: sum };
  });
}

/**
 * What a line says of a moment: the growth that ends at or after it. Asked in the order of time. Objects of one sweep are not read at
 * the very same moment: what lies within half an interval of an end belongs to it.
 */
function growthAt(line: readonly ChartPoint[]): (atMs: number) => number | undefined | 'absent' {
  const [first, last] = [line[0], line.at(-1)];
  const slackMs =
    first === undefined || last === undefined ? 0 : (last.atMs - first.atMs) / Math.max(1, line.length - 1) / 2;
  let index = 0;
  return (atMs) => {
    if (first === undefined || last === undefined) return 'absent';
    if (atMs < first.atMs - slackMs || atMs > last.atMs + slackMs) return 'absent';
    while (index < line.length - 1 && (line[index]?.atMs ?? 0) < atMs - slackMs) index++;
    return line[index]?.value;
  };
}
