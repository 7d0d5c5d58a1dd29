const SPARKS = '▁▂▃▄▅▆▇█';

/** Numbers as a line of bars, the highest of them as the full height; a blank where there is none. */
export function sparkline(values: readonly (number | undefined)[]): string {
  const most = Math.max(...values.map((value) => value ?? 0), 0);
  const heightOf = (value: number): number => Math.round((Math.max(0, value) / most) * (SPARKS.length - 1));
  return values.map((value) => (value === undefined ? ' ' : SPARKS.charAt(most === 0 ? 0 : heightOf(value)))).join('');
}
