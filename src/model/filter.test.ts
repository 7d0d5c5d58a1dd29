import { describe, expect, it } from 'vitest';
import { entriesFor, isPathSelected, selectNames } from './filter.ts';

const entries = ['c', 'a', 'b', 'a'].map((name) => ({ name }));

describe('names', () => {
  it('keep the order of the entries, drop what is unknown and match byte for byte', () => {
    expect(selectNames(entries, ['b', 'nope', 'c', 'c', 'A'])).toEqual([{ name: 'c' }, { name: 'b' }]);
    expect(selectNames(entries, ['a'])).toEqual([{ name: 'a' }, { name: 'a' }]);
    expect(selectNames(entries, ['*'])).toEqual([]);
  });

  it('mean everything when absent and nothing when empty', () => {
    expect(selectNames(entries, undefined)).toBe(entries);
    expect(selectNames(entries, [])).toEqual([]);
  });
});

describe('paths', () => {
  it('mean everything when absent and nothing when empty', () => {
    expect(isPathSelected(undefined, '/a')).toBe(true);
    expect(isPathSelected(undefined, undefined)).toBe(true);
    expect(isPathSelected([], '/a')).toBe(false);
  });

  it('match as a whole', () => {
    expect(isPathSelected(['/a'], '/a')).toBe(true);
    expect(isPathSelected(['/a'], '/a/')).toBe(false);
    expect(isPathSelected(['/a'], undefined)).toBe(false);
  });
});

describe('providers', () => {
  it('mean everything when absent and nothing when empty', () => {
    expect(entriesFor({ target: 'vm' }, 'kvm')).toEqual([{ provider: 'kvm' }]);
    expect(entriesFor({ target: 'vm', providers: [] }, 'kvm')).toEqual([]);
  });

  it('give one entry for each time they are named', () => {
    const providers = [{ provider: 'kvm', names: ['a'] }, { provider: 'balloon' }, { provider: 'kvm' }];
    expect(entriesFor({ target: 'vm', providers }, 'kvm')).toEqual([
      { provider: 'kvm', names: ['a'] },
      { provider: 'kvm' },
    ]);
  });
});
