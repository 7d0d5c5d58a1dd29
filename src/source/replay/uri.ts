import { VirtstatError } from '../../model/errors.ts';

/** What a `replay:` URI says. */
export interface ReplayAddress {
  readonly path: string;
  /** How much faster than it was recorded: 0.01 to 10000. */
  readonly speed: number;
  /** Where playing begins: at the first sample, at the last, or at a time in nanoseconds since 1970. */
  readonly from: 'start' | 'end' | bigint;
}

const SPEEDS = [0.01, 10_000] as const;

/**
 * Reads `replay:PATH[?speed=N][&from=start|end|TIME]`, where TIME is a date and time of RFC 3339.
 * @throws URI_INVALID
 */
export function parseReplayUri(uri: string): ReplayAddress {
  const [, path = '', query = ''] = /^replay:(?:\/\/(?=\/))?([^?]*)(?:\?(.*))?$/i.exec(uri) ?? [];
  if (path === '') throw invalid(uri, 'has no path; write replay:PATH');
  const given = new URLSearchParams(query);
  const odd = [...given.keys()].find((key) => key !== 'speed' && key !== 'from');
  if (odd !== undefined) throw invalid(uri, `says ${odd}=, which is not known; there are speed= and from=`);
  return { path, speed: speedOf(uri, given.get('speed') ?? '1'), from: fromOf(uri, given.get('from') ?? 'start') };
}

function speedOf(uri: string, text: string): number {
  const speed = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (speed >= SPEEDS[0] && speed <= SPEEDS[1]) return speed;
  throw invalid(uri, `has no right speed; it must be a number from ${SPEEDS[0]} to ${SPEEDS[1]}`);
}

function fromOf(uri: string, text: string): ReplayAddress['from'] {
  if (text === 'start' || text === 'end') return text;
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(text) ? Date.parse(text) : Number.NaN;
  if (ms >= 0) return BigInt(ms) * 1_000_000n;
  throw invalid(uri, 'begins at no known time; write from=start, from=end or from=2026-01-31T12:00:00Z');
}

function invalid(uri: string, reason: string): VirtstatError {
  return new VirtstatError('URI_INVALID', `${JSON.stringify(uri)} ${reason}`);
}
