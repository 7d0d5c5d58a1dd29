import { describe, expect, it } from 'vitest';
import { providersAsked } from './info-stats.ts';

const schemas = [
  ['kvm', 'vm'],
  ['state', 'vm'],
  ['tomorrow', 'vm'],
  ['kvm', 'vcpu'],
  ['block', 'block'],
].map(([provider = '', target = '']) => ({ provider, target, stats: [] }));

describe('the providers of info stats where none is named', () => {
  it('are not ours for a target of QEMU, and all for a target of ours', () => {
    expect(providersAsked('vm', schemas)).toEqual(['kvm', 'tomorrow']);
    expect(providersAsked('vcpu', schemas)).toEqual(['kvm']);
    expect(providersAsked('block', schemas)).toEqual(['block']);
    expect(providersAsked('cryptodev', schemas)).toEqual([]);
  });
});
