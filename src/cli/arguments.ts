import { parseDuration, parseSize } from '../model/amounts.ts';
import { MAX_TIMER_MS } from '../model/limits.ts';
import { InvalidArgumentError } from './commander.ts';

/** The shortest interval of a watch, in milliseconds. */
const MIN_INTERVAL_MS = 10;

/** From one sweep to the next where `--watch` does not say, in milliseconds. */
export const DEFAULT_INTERVAL_MS = 1000;

/** The shells that can be told how to complete a command line. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** One of {@link SHELLS}. */
export type Shell = (typeof SHELLS)[number];

/** Adds one more value of an option that may be repeated. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

/** A whole number of milliseconds, 1 to 2^31-1. */
export function parseMilliseconds(text: string): number {
  const ms = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (ms >= 1 && ms <= MAX_TIMER_MS) return ms;
  throw new InvalidArgumentError(`It must be a whole number of milliseconds, 1 to ${MAX_TIMER_MS}.`);
}

/** An interval in seconds, at least 0.01, as milliseconds. */
export function parseInterval(text: string): number {
  const ms = /^(\d+\.?\d*|\.\d+)$/.test(text) ? Math.round(Number(text) * 1000) : Number.NaN;
  if (ms >= MIN_INTERVAL_MS && ms <= MAX_TIMER_MS) return ms;
  throw new InvalidArgumentError(`It must be a number of seconds, at least ${MIN_INTERVAL_MS / 1000}.`);
}

/** How often something is done: at least 10 ms, as milliseconds; a number without a unit is in seconds. */
export function parseEvery(text: string): number {
  const ms = parseDuration(/^[\d.]+$/.test(text) ? `${text}s` : text);
  if (ms !== undefined && ms >= MIN_INTERVAL_MS && ms <= MAX_TIMER_MS) return ms;
  throw new InvalidArgumentError(`It must be a duration, at least ${MIN_INTERVAL_MS}ms, like 500ms, 1s or 1m.`);
}

/** How long something lasts, as milliseconds; a number without a unit is in seconds. */
export function parseLasting(text: string): number {
  const ms = parseDuration(/^[\d.]+$/.test(text) ? `${text}s` : text);
  if (ms !== undefined && ms >= 1) return ms;
  throw new InvalidArgumentError('It must be a duration, like 30s, 10m, 12h or 7d.');
}

/** A size, in bytes. */
export function parseBytes(text: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes >= 1) return bytes;
  throw new InvalidArgumentError('It must be a size with its unit, like 500MB or 10GiB.');
}

/** The longest interval of polling, in seconds: a day. Longer ones would be mistakes. */
export const MAX_POLLING_SECONDS = 86_400;

/** How often a guest is asked, whole seconds, 1 to {@link MAX_POLLING_SECONDS}. */
export function parsePolling(text: string): number {
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (seconds >= 1 && seconds <= MAX_POLLING_SECONDS) return seconds;
  throw new InvalidArgumentError(`It must be a whole number of seconds, 1 to ${MAX_POLLING_SECONDS}.`);
}

/** How often something is done, 1 to 10^9-1. */
export function parseCount(text: string): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= 1) return count;
  throw new InvalidArgumentError('It must be a whole number, at least 1.');
}

/** The index of a vCPU. */
export function parseIndex(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number, counted from 0.');
}

/**
 * Binds the seconds to their `--watch`: an option with an optional value would take whatever follows, which is more often
 * the target. `--watch 2` means `--watch=2`, and `--watch vm` leaves `vm` alone.
 */
export function joinWatchInterval(args: readonly string[]): string[] {
  const joined: string[] = [];
  const end = args.includes('--') ? args.indexOf('--') : args.length;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] as string;
    const next = args[index + 1];
    if (arg !== '--watch' || index >= end) joined.push(arg);
    else if (next !== undefined && index + 1 < end && /^[\d.]+$/.test(next)) joined.push(`--watch=${args[++index]}`);
    else joined.push(`--watch=${DEFAULT_INTERVAL_MS / 1000}`);
  }
  return joined;
}
