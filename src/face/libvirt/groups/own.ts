import type { Sample } from '../../../model/sample.ts';
import type { DomainFacts, Need } from '../facts.ts';
import { type Parameters, text, uint, ullong } from '../parameters.ts';

/** Everything that may be measured: whatever the providers are called. */
export const OWN_NEEDS: readonly Need[] = ['vm', 'vcpu', 'cryptodev', 'block', 'interface', 'iothread'].map(
  (target) => ({
    target,
  }),
);

/**
 * `virtstat.*`: all that was measured, also what libvirt has no key for, by our names and in the steps that our schemas say.
 * Objects of a target are counted; a histogram, or another list, has a key for each of its values.
 *
 * | key                                        |                                                                      |
 * | ------------------------------------------ | -------------------------------------------------------------------- |
 * | `virtstat.TARGET.PROVIDER.count`           | how many objects                                                     |
 * | `virtstat.TARGET.PROVIDER.N.path`          | which one; absent where a target has only one                        |
 * | `virtstat.TARGET.PROVIDER.N.stale`         | nanoseconds since it was read; only where it is older than asked for |
 * | `virtstat.TARGET.PROVIDER.N.stat.NAME`     | a number or a boolean                                                |
 * | `virtstat.TARGET.PROVIDER.N.stat.NAME.K`   | a value of a list: a bucket, in the kernel's order                   |
 */
export function ownParameters(facts: DomainFacts): Parameters {
  const groups = Map.groupBy(facts.all, ({ provider, target }) => `virtstat.${target}.${provider}`);
  return [...groups].flatMap(([prefix, samples]) => [
    ...uint(`${prefix}.count`, BigInt(samples.length)),
    ...samples.flatMap((sample, index) => sampleParameters(`${prefix}.${index}`, sample)),
  ]);
}

function sampleParameters(prefix: string, { path, stale, stats }: Sample): Parameters {
  return [
    ...text(`${prefix}.path`, path),
    ...ullong(`${prefix}.stale`, stale?.ageNs),
    ...stats.flatMap(({ name, value }): Parameters => {
      const field = `${prefix}.stat.${name}`;
      if (typeof value === 'boolean') return [{ field, type: 'boolean', value }];
      if (typeof value === 'bigint') return ullong(field, value);
      return value.flatMap((item, index) => ullong(`${field}.${index}`, item));
    }),
  ];
}
