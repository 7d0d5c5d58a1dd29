/** Durations and sizes as people write them. */

/** Units of durations, in milliseconds. */
export const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A duration with its unit, in milliseconds: `500ms`, `2.5s`, `10m`, `12h`, `7d`; undefined where it is none. */
export function parseDuration(text: string): number | undefined {
  const [, number = '', unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text) ?? [];
  return number === '' ? undefined : Math.round(Number(number) * DURATION_UNITS_MS[unit]!);
}

/** Units of sizes, in bytes. */
export const SIZE_UNITS_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

/** A size with its unit, in bytes: `500MB`, `1.5GiB`; undefined where it is none. */
export function parseSize(text: string): number | undefined {
  const [, number = '', unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)([kMGT]?B|[KMGT]iB)$/.exec(text) ?? [];
  return number === '' ? undefined : Math.round(Number(number) * SIZE_UNITS_BYTES[unit]!);
}
