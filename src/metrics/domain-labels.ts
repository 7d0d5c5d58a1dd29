import type { Domain } from '../model/domain.ts';

/** What tells domains apart, in their order: their names; where several share one, each with its `id` behind it. */
export function domainLabels(domains: readonly Domain[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { name } of domains) counts.set(name, (counts.get(name) ?? 0) + 1);
  return domains.map(({ name, id }) => ((counts.get(name) ?? 0) > 1 ? `${name} (${id})` : name));
}
