import { describe, expect, it } from 'vitest';
import type { FaceLog } from '../face/face.ts';
import type { Domain } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { Sample } from '../model/sample.ts';
import { DomainStates } from './domain-states.ts';

const domain: Domain = { id: 'a', name: 'lab', source: 's' };
const sample: Sample = { domain: 'lab', provider: 'kvm', target: 'vm', via: 'qmp', collectedAtNs: 1n, stats: [] };
const stale = { ...sample, stale: { ageNs: 1n, code: 'TIMEOUT', reason: 'slow' } };
const slow = new VirtstatError('TIMEOUT', 'slow');

function statesWithLog(now?: () => bigint): { readonly states: DomainStates; readonly lines: string[] } {
  const lines: string[] = [];
  const log: FaceLog = { info: (_facts, line) => void lines.push(line), warn: (_facts, line) => void lines.push(line) };
  return { states: new DomainStates(log, now), lines };
}

describe('DomainStates', () => {
  it('remembers the last success and the last failure, and logs each change once', () => {
    let atNs = 1n;
    const { states, lines } = statesWithLog(() => atNs);
    states.add(domain);
    const good = { domain, items: [sample], errors: [] };
    const bad = { domain, items: [stale], errors: [slow] };
    states.note([good]);
    const success = states.all[0]?.lastSuccessNs;
    states.note([bad]);
    states.note([bad, { domain, items: [], errors: [slow] }]);
    expect(states.all).toEqual([
      {
        ...{ domain, isFailing: true, lastSuccessNs: success, ways: new Map([['kvm vm', 'qmp']]) },
        lastFailure: { atNs: expect.any(BigInt), code: 'TIMEOUT', message: 'slow' },
      },
    ]);
    expect(lines).toEqual(['domain cannot be read']);
    states.note([good, good]);
    expect(states.all[0]).toMatchObject({ isFailing: false, lastFailure: { code: 'TIMEOUT' } });
    expect(lines).toEqual(['domain cannot be read']);
    atNs += 9_999_999_999n;
    states.note([good, bad, good]);
    expect(lines).toEqual(['domain cannot be read']);
    atNs += 9_999_999_999n;
    states.note([good]);
    expect(lines).toEqual(['domain cannot be read']);
    atNs += 1n;
    states.note([good, good]);
    expect(lines).toEqual(['domain cannot be read', 'domain can be read again']);
  });

  it('learns nothing from an empty answer, nor about a domain that is not there', () => {
    const { states, lines } = statesWithLog();
    states.note([{ domain, items: [], errors: [slow] }]);
    expect(states.all).toEqual([]);
    states.add(domain);
    states.note([{ domain, items: [], errors: [] }]);
    expect(states.all[0]).toMatchObject({ isFailing: false, lastSuccessNs: undefined, lastFailure: undefined });
    states.remove(domain);
    expect(states.all).toEqual([]);
    expect(lines).toEqual([]);
  });

  it('takes one of two providers for a success, and keeps the failure', () => {
    const { states, lines } = statesWithLog();
    states.add(domain);
    states.note([{ domain, items: [sample], errors: [slow] }]);
    expect(states.all[0]).toMatchObject({ isFailing: false, lastFailure: { code: 'TIMEOUT' } });
    expect(lines).toEqual([]);
  });

  it('remembers a bounded number of ways', () => {
    const { states } = statesWithLog();
    states.add(domain);
    const items = Array.from({ length: 400 }, (_, index) => ({ ...sample, provider: `p${index}` }));
    states.note([{ domain, items, errors: [] }]);
    expect(states.all[0]?.ways.size).toBe(256);
  });
});
