import type { Domain } from '../model/domain.ts';

/**
 * What to call each of some domains: its name and, where several share that, what tells them apart: the process, else the
 * id. `--domain` takes both.
 */
export function domainNames(domains: readonly Domain[]): (domain: Domain) => string {
  const idsByName = new Map<string, Set<string>>();
  for (const { name, id } of domains) idsByName.set(name, (idsByName.get(name) ?? new Set()).add(id));
  return ({ name, pid, id }) => {
    if ((idsByName.get(name)?.size ?? 0) < 2) return name;
    return `${name} (${pid === undefined ? id : `process ${pid}`})`;
  };
}

/** What there is to say of a domain of this name, which stands in front unless it is in it anyway. */
export function messageAbout(name: string, message: string): string {
  return message.includes(name) ? message : `${name}: ${message}`;
}
