import { expect, it } from 'vitest';
import type { Caller } from '../face/face.ts';
import { Refusals } from './refusals.ts';

const user = (uid: number, pid = 1): Caller => ({ kind: 'user', uid, gid: 1, groups: [], pid });

it('a refusal is told once for each face, caller and thing, and again when the rules changed', () => {
  const told: object[] = [];
  const refusals = new Refusals({ info: () => undefined, warn: (facts) => void told.push(facts) });
  const note = (): void => {
    refusals.note('qmp', user(5), { domain: 'a' });
    refusals.note('qmp', user(5, 2), { domain: 'a' });
    refusals.note('qmp', user(5), { provider: 'a' });
    refusals.note('varlink', user(5), { domain: 'a' });
    refusals.note('qmp', user(6), { domain: 'a' });
  };
  note();
  note();
  expect(told).toHaveLength(4);
  expect(told[0]).toEqual({ face: 'qmp', uid: 5, gid: 1, pid: 1, domain: 'a' });
  refusals.forget();
  note();
  expect(told).toHaveLength(8);
});

it('what is remembered is bounded', () => {
  let told = 0;
  const refusals = new Refusals({ info: () => undefined, warn: () => void told++ });
  for (let uid = 1; uid <= 10_000; uid++) refusals.note('qmp', user(uid), { domain: 'a' });
  refusals.note('qmp', user(1), { domain: 'a' });
  expect(told).toBe(10_000);
  refusals.note('qmp', user(10_001), { domain: 'a' });
  refusals.note('qmp', user(1), { domain: 'a' });
  expect(told).toBe(10_002);
});
