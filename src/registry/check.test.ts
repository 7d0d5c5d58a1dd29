import { describe, expect, it, onTestFinished } from 'vitest';
import { VirtstatError } from '../model/errors.ts';
import type { FoundDomain, Provider } from '../model/provider.ts';
import { Registry } from './registry.ts';

const TARGETS = ['vm', 'vcpu'];
const STATS = [{ name: 'exits', type: 'cumulative', exponent: 0 }];

function providerOf(name: string): Provider {
  const schemas = TARGETS.map((target) => ({ provider: name, target, stats: STATS }));
  return { name, targets: TARGETS, schemas: async () => schemas, stats: async () => [] };
}

/** A registry of a domain for each list of providers. */
function registryOf(...domains: readonly (readonly Provider[])[]): Registry {
  const found = domains.map((providers, index): FoundDomain => {
    const domain = { id: `id-${index}`, name: `vm-${index}`, source: 'test:' };
    return { domain, providers: async () => providers, describe: async () => domain, availability: async () => [] };
  });
  const made = new Registry([{ uri: 'test:', scan: async () => found, close: async () => undefined }]);
  onTestFinished(() => made.close());
  return made;
}

describe('resolve', () => {
  const shelf = () => registryOf([providerOf('kvm')], [providerOf('kvm')]);

  it('turns names without a provider into entries for every provider of the target', async () => {
    expect(await shelf().resolve({ target: 'vm', names: ['exits'] })).toEqual({
      target: 'vm',
      providers: [{ provider: 'kvm', names: ['exits'] }],
    });
    expect(await shelf().resolve({ target: 'vm' })).toEqual({ target: 'vm' });
  });

  it.each([
    [{ target: 'vcpus' }, 'UNKNOWN_TARGET', 'no target is named "vcpus"; did you mean vcpu'],
    [
      { target: 'vm', provider: 'kmv' },
      'UNKNOWN_PROVIDER',
      'no provider of target vm is named "kmv"; did you mean kvm?',
    ],
    [{ target: 'vm', names: ['exit'] }, 'UNKNOWN_STAT', 'no stat of target vm is named "exit"; did you mean exits?'],
    [{ target: 'exits' }, 'UNKNOWN_TARGET', 'no target is named "exits"; it is a stat of target vm and provider kvm'],
    [{ target: 'vm', names: ['kvm'] }, 'UNKNOWN_STAT', 'no stat of target vm is named "kvm"; it is a provider'],
    [
      { target: 'vm', names: ['vm'], provider: 'kvm' },
      'UNKNOWN_STAT',
      'no stat of target vm and provider kvm is named "vm"; it is a target',
    ],
  ])('refuses %j with the nearest names, or what it is elsewhere', async (request, code, message) => {
    const error = await shelf()
      .resolve(request)
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    expect(error).toMatchObject({ code });
    expect(String(error)).toContain(message);
  });

  it('says of an unknown name that some schemas could not be had', async () => {
    const late = () => Promise.reject(new VirtstatError('TIMEOUT', 'the monitor of a gave no answer'));
    const half = registryOf([providerOf('process'), { ...providerOf('kvm'), schemas: late }]);
    await expect(half.resolve({ target: 'vm', names: ['pages'] })).rejects.toMatchObject({
      code: 'UNKNOWN_STAT',
      message: expect.stringContaining('; not everything could be looked at: the monitor of a gave no answer'),
    });
  });

  it('says that nothing can be measured where no provider has a schema', async () => {
    await expect(registryOf([]).resolve({ target: 'vm' })).rejects.toMatchObject({
      code: 'NOTHING_MATCHED',
    });
  });
});
