import { expect, it } from 'vitest';
import { Identities } from './identities.ts';

const domain = (id: string, name: string, uuid?: string) => ({ id, name, source: 'test:', ...(uuid && { uuid }) });

it('numbers domains in the order in which they are seen, and gives no number twice', () => {
  const identities = new Identities();
  const [a, b] = [domain('a', 'web', '11111111-2222-3333-4444-55555555555A'), domain('b', 'db')];
  expect(identities.of(a)).toEqual({ name: 'web', uuid: '11111111-2222-3333-4444-55555555555a', id: 1 });
  expect(identities.of(b).id).toBe(2);
  expect(identities.of(a).id).toBe(1);
  identities.retain([b]);
  expect(identities.of(a).id).toBe(3);
  expect(identities.of(b).id).toBe(2);
});

it('makes the uuid of a domain that has none of its name, the same in every daemon', () => {
  const [one, other] = [new Identities(), new Identities()];
  const { uuid } = one.of(domain('a', 'web'));
  expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(other.of(domain('later', 'web')).uuid).toBe(uuid);
  const second = one.of(domain('b', 'web')).uuid;
  expect(second).not.toBe(uuid);
  expect(one.of(domain('b', 'web')).uuid).toBe(second);
  expect(one.of(domain('c', 'broken', 'no uuid')).uuid).toMatch(/-5/);
});
