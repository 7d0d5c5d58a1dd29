import type { Availability, Domain } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import { isPathSelected } from '../../model/filter.ts';
import type { CallOptions, FoundDomain, Provider, Source, StatsRequest } from '../../model/provider.ts';
import type { Reading } from '../../model/sample.ts';
import type { Schema, StatDescriptor } from '../../model/stat.ts';
import { LayoutCache } from '../../protocol/kvm-stats/layout-cache.ts';
import { VIA_KVM_FILE } from '../kvm/stats-file.ts';
import { type Capture, type CaptureOptions, capturesAt, readCapture, type Unusable } from './capture.ts';
import { type CaptureGroup, groupCaptures } from './group.ts';

/** Targets that stats files know. */
const TARGETS = ['vm', 'vcpu'] as const;

/**
 * Stats files that were captured as raw bytes, as domains: for support, tests and study. Each `kvm+file:PATH` names a file,
 * or a directory of which every stats file is taken; {@link groupCaptures} says which files make a domain. Values are as
 * old as their files, which are read anew for every query. A file or directory that cannot be used is a domain that fails,
 * named like the file, or by the URI.
 */
export class KvmFileSource implements Source {
  /** All of them, separated by blanks. */
  readonly uri: string;
  readonly #paths: readonly (readonly [uri: string, path: string])[];
  readonly #cache = new LayoutCache();

  /** @throws URI_INVALID where a URI has no path */
  constructor(uris: readonly string[]) {
    this.uri = uris.join(' ');
    this.#paths = uris.map((uri) => [uri, pathOfUri(uri)]);
  }

  async scan({ signal }: CallOptions): Promise<readonly FoundDomain[]> {
    const options = { signal, cache: this.#cache };
    const found = new Map<string, Capture | Unusable>();
    for (const [uri, path] of this.#paths) {
      // A file that two URIs lead to is one file.
      for (const item of await capturesAt(uri, path, options)) found.set(item.path, item);
    }
    const all = [...found.values()];
    const groups = groupCaptures(all.filter(isCapture));
    return [...groups.map((group) => domainOf(group, this.#cache)), ...all.filter(isUnusable).map(failedDomain)];
  }

  /** There is nothing to give back: files are open only while they are read. */
  async close(): Promise<void> {}
}

function pathOfUri(uri: string): string {
  const path = uri.replace(/^kvm\+file:/i, '').replace(/^\/\/(?=\/)/, '');
  if (path !== '') return path;
  throw new VirtstatError('URI_INVALID', `${JSON.stringify(uri)} has no path; write kvm+file:PATH`);
}

function isCapture(item: Capture | Unusable): item is Capture {
  return !isUnusable(item);
}

function isUnusable(item: Capture | Unusable): item is Unusable {
  return 'error' in item;
}

function domainOf(group: CaptureGroup, cache: LayoutCache): FoundDomain {
  const { name, id, vm, vcpus } = group;
  const source = (vm ?? vcpus[0])!.uri;
  const domain: Domain = { id: `kvm+file:${id}`, name, source, ...(vcpus.length > 0 && { vcpus: vcpus.length }) };
  const provider = new KvmFileProvider(group, cache);
  return {
    domain,
    providers: async () => [provider],
    describe: async () => domain,
    availability: async () => provider.availability(),
  };
}

function failedDomain({ name, path, uri, error }: Unusable): FoundDomain {
  const fail = async (): Promise<never> => {
    throw error;
  };
  return {
    domain: { id: `kvm+file:${path}`, name, source: uri },
    providers: fail,
    describe: fail,
    availability: fail,
  };
}

/** The provider `kvm` of captures. */
class KvmFileProvider implements Provider {
  readonly name = 'kvm';
  readonly targets: readonly string[] = TARGETS;
  readonly #captures: Readonly<Record<string, readonly Capture[]>>;
  readonly #cache: LayoutCache;

  constructor({ vm, vcpus }: CaptureGroup, cache: LayoutCache) {
    this.#captures = { vm: vm === undefined ? [] : [vm], vcpu: vcpus };
    this.#cache = cache;
  }

  async schemas(): Promise<readonly Schema[]> {
    const captured = TARGETS.filter((target) => this.#of(target).length > 0);
    return captured.map((target) => ({
      provider: this.name,
      target,
      stats: commonStats(this.#of(target)),
    }));
  }

  async stats(_: Domain, { target, paths }: StatsRequest, { signal }: CallOptions): Promise<readonly Reading[]> {
    const options: CaptureOptions = { signal, cache: this.#cache };
    const wanted = this.#of(target).filter(({ objectPath }) => isPathSelected(paths, objectPath));
    const readings: Reading[] = [];
    for (const { path } of wanted) readings.push(await readCapture(path, options));
    return readings;
  }

  availability(): readonly Availability[] {
    return TARGETS.map((target) => ({
      provider: this.name,
      target,
      via: VIA_KVM_FILE,
      ...(this.#of(target).length > 0
        ? { available: true }
        : { available: false, reason: `no stats file of a ${target === 'vm' ? 'VM' : 'vCPU'} was captured` }),
    }));
  }

  #of(target: string): readonly Capture[] {
    return (Object.hasOwn(this.#captures, target) && this.#captures[target]) || [];
  }
}

/** The first file's descriptors, and those of others that it lacks: captures of one group may come from different kernels. */
function commonStats(captures: readonly Capture[]): readonly StatDescriptor[] {
  const [first, ...others] = captures.map(({ layout }) => layout.stats);
  const names = new Set(first?.map(({ name }) => name));
  const missing = others
    .filter((stats) => stats !== first)
    .flatMap((stats) => stats.filter(({ name }) => !names.has(name)));
  return [...(first ?? []), ...new Map(missing.map((stat) => [stat.name, stat])).values()];
}
