import { domainNames, messageAbout } from '../domain-names.ts';
import { compactAge } from '../render/compact.ts';
import { printable } from '../render/text.ts';
import type { TopData } from './data.ts';
import { oldestNs } from './objects.ts';

/**
 * What went wrong, a line for each thing: of old values their age and the reason, of a source that could not be searched why.
 * A domain whose values are old is told once, by the oldest of them.
 */
export function problemLines(data: TopData, nowNs: bigint): readonly string[] {
  const nameOf = domainNames(data.domains);
  const lines: string[] = [];
  const told = new Set<string>();
  for (const domain of data.domains) {
    const tracks = [...data.tracks('columns').of(domain.id), ...data.tracks('all').of(domain.id)];
    const stale = tracks.filter(({ sample }) => sample.stale !== undefined);
    const oldest = oldestNs(stale);
    const [first] = stale;
    if (oldest === undefined || first?.sample.stale === undefined) continue;
    told.add(domain.id);
    const age = compactAge(Number(nowNs - oldest) / 1e9);
    lines.push(`${nameOf(domain)}: ${age} old: ${first.sample.stale.reason}`);
  }
  for (const { domain, message } of data.problems) {
    if (told.has(domain.id)) continue;
    lines.push(messageAbout(nameOf(domain), message));
  }
  return [...new Set(lines)].map(printable);
}
