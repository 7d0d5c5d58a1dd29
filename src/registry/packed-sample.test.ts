import { expect, it } from 'vitest';
import type { Reading } from '../model/sample.ts';
import { plainAnswer } from './packed-sample.ts';
import { Registry } from './registry.ts';

const READING: Reading = {
  path: 'vcpu-0',
  via: 'kvm-file',
  collectedAtNs: 1n,
  stats: [{ name: 'exits', value: 7n }],
  packed: { form: { stats: [], places: [] }, bytes: new Uint8Array() },
};
const PLAIN = {
  domain: 'a',
  provider: 'kvm',
  target: 'vcpu',
  path: 'vcpu-0',
  via: 'kvm-file',
  collectedAtNs: 1n,
  stats: READING.stats,
};

const domain = { id: 'a', name: 'a', source: 'test:' };
const found = {
  domain,
  providers: async () => [{ name: 'kvm', targets: ['vcpu'], schemas: async () => [], stats: async () => [READING] }],
  describe: async () => domain,
  availability: async () => [],
};
const source = { uri: 'test:', scan: async () => [found], close: async () => undefined };

it('who does not ask for it gets plain data', async () => {
  const registry = new Registry([source]);
  const [plain] = await registry.query({ target: 'vcpu' });
  expect(plain?.items).toStrictEqual([PLAIN]);
  const [packed] = await registry.query({ target: 'vcpu' }, { takesPacked: true });
  expect(packed?.items[0]?.packed).toBe(READING.packed);
  expect(packed?.items[0]?.stats).toBe(READING.stats);
  await registry.close();
});

it('where names are asked for, everybody does', async () => {
  const registry = new Registry([source]);
  const filter = { target: 'vcpu', providers: [{ provider: 'kvm', names: ['exits'] }] };
  const [answer] = await registry.query(filter, { takesPacked: true });
  expect(answer?.items).toStrictEqual([PLAIN]);
  await registry.close();
});

it('values that are old by now are plain, with their age', async () => {
  let isFailing = false;
  const stats = async (): Promise<readonly Reading[]> => {
    if (isFailing) throw new RangeError('no more');
    return [READING];
  };
  const failing = {
    ...found,
    providers: async () => [{ name: 'kvm', targets: ['vcpu'], schemas: async () => [], stats }],
  };
  const registry = new Registry([{ ...source, scan: async () => [failing] }]);
  await registry.query({ target: 'vcpu' }, { takesPacked: true });
  isFailing = true;
  const [answer] = await registry.query({ target: 'vcpu' }, { takesPacked: true });
  expect(answer?.items).toMatchObject([{ ...PLAIN, stale: { code: 'PROVIDER_FAILED' } }]);
  expect(answer?.items[0]?.packed).toBeUndefined();
  await registry.close();
});

it('an answer becomes plain once', async () => {
  const registry = new Registry([source]);
  const [answer] = await registry.query({ target: 'vcpu' }, { takesPacked: true });
  expect(plainAnswer(answer!)).toBe(plainAnswer(answer!));
  const plain = plainAnswer(answer!);
  expect(plainAnswer(plain)).toBe(plain);
  await registry.close();
});
