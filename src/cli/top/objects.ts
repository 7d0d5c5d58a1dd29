import type { Scope } from './state.ts';
import { pathsOf, type Track } from './tracks.ts';

/** One object of a domain: all that its providers measure of it. */
export interface DomainObject {
  readonly target: string;
  /** Empty where it has none. */
  readonly path: string;
  /** `vcpu #1`; only the target where that has one object without a path. */
  readonly label: string;
  readonly tracks: readonly Track[];
}

/** The objects of one domain, target by target, in ascending order. */
export function objectsOf(tracks: readonly Track[]): readonly DomainObject[] {
  const byTarget = Map.groupBy(tracks, ({ sample }) => sample.target);
  return [...byTarget].flatMap(([target, ofTarget]) => {
    const byPath = Map.groupBy(ofTarget, ({ sample }) => sample.path ?? '');
    return pathsOf(ofTarget).map((path, index) => ({
      target,
      path,
      label: path === '' ? target : `${target} #${index}`,
      tracks: byPath.get(path) ?? [],
    }));
  });
}

/** The host's device behind an object, where a provider names one. */
export function deviceOf({ tracks }: DomainObject): string | undefined {
  return tracks.find(({ sample }) => sample.device !== undefined)?.sample.device;
}

/** True for what a scope is about. */
export function isInScope({ domain, sample }: Track, scope: Scope): boolean {
  return (
    (scope.domain === undefined || scope.domain === domain.id) &&
    (scope.target === undefined || scope.target === sample.target) &&
    (scope.path === undefined || scope.path === (sample.path ?? ''))
  );
}

/** When the oldest of the samples was collected, in nanoseconds since 1970; undefined where there is none. */
export function oldestNs(tracks: readonly Track[]): bigint | undefined {
  let oldest: bigint | undefined;
  for (const { sample } of tracks) {
    if (oldest === undefined || sample.collectedAtNs < oldest) oldest = sample.collectedAtNs;
  }
  return oldest;
}

/** True where any of the samples is older than what was asked for. */
export function areStale(tracks: readonly Track[]): boolean {
  return tracks.some(({ sample }) => sample.stale !== undefined);
}
