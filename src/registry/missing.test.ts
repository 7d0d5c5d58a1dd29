import { describe, expect, it } from 'vitest';
import { VirtstatError } from '../model/errors.ts';
import type { ListAnswer } from './answer.ts';
import { explainMissing, isUnknownWord } from './missing.ts';

const answer = (...reasons: readonly string[]): ListAnswer => ({
  domain: { id: 'a', name: 'a', source: 'test:' },
  items: [
    { provider: 'state', target: 'vm', via: 'qmp', available: true },
    ...reasons.map((reason) => ({ provider: 'block', target: 'block', via: 'qmp', available: false, reason })),
  ],
  errors: [],
});
const unknown = new VirtstatError('UNKNOWN_TARGET', 'no target is named "block"');

describe('a word that no schema has', () => {
  it('is explained by those who have none of it', () => {
    expect(explainMissing(unknown, { target: 'block' }, [answer('no disks')])).toMatchObject({
      code: 'NOTHING_MATCHED',
      message: 'nothing of target block can be measured: no disks',
      cause: unknown,
    });
    const several = [answer('no disks'), answer('no disks', 'no monitor')];
    expect(explainMissing(unknown, { provider: 'block' }, several)).toMatchObject({
      message: 'nothing of provider block can be measured: no disks; `virtstat list` has the other reasons',
    });
  });

  it('stays wrong where nobody knows it', () => {
    for (const words of [{ target: 'blok' }, { target: 'vm' }, { target: 'block', provider: 'kvm' }]) {
      expect(explainMissing(unknown, words, [answer('no disks')])).toBe(unknown);
    }
    expect(isUnknownWord(unknown)).toBe(true);
    expect(isUnknownWord(new VirtstatError('UNKNOWN_STAT', ''))).toBe(false);
  });
});
