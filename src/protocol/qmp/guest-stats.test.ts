import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../json/json.ts';
import {
  decodeBalloonSize,
  decodeGuestStats,
  decodePollingInterval,
  findBalloon,
  GUEST_STAT_NAMES,
  MAX_GUEST_STATS,
} from './guest-stats.ts';

const NONE = 2n ** 64n - 1n;

const stats = (told: { readonly [name: string]: JsonValue }, last: JsonValue = 5): JsonValue => ({
  stats: told,
  'last-update': last,
});

describe('guest statistics', () => {
  it('are in the order of the tags, later ones behind in alphabetical order', () => {
    const told = Object.fromEntries([...GUEST_STAT_NAMES, 'stat-zeta', 'stat-alpha', 'other'].map((name) => [name, 7]));
    const { names, stats: decoded } = decodeGuestStats(stats(told));
    expect(names).toEqual([...GUEST_STAT_NAMES, 'stat-alpha', 'stat-zeta']);
    expect(decoded).toEqual(names.map((name) => ({ name, value: 7n })));
  });

  it.each<[JsonValue, bigint | undefined]>([
    [NONE, undefined],
    [-1, undefined],
    [2n ** 64n, undefined],
    [-(2n ** 63n), undefined],
    [1.5, undefined],
    ['7', undefined],
    [null, undefined],
    [true, undefined],
    [[], undefined],
    [0, 0n],
    [2n ** 53n + 1n, 2n ** 53n + 1n],
    [NONE - 1n, NONE - 1n],
  ])('has for %s on the wire the value %s, and the name in any case', (wire, value) => {
    const decoded = decodeGuestStats(stats({ 'stat-swap-in': wire }));
    expect(decoded.stats).toEqual(value === undefined ? [] : [{ name: 'stat-swap-in', value }]);
    expect(decoded.names).toEqual(['stat-swap-in']);
  });

  it.each<[JsonValue, bigint]>([
    [0, 0n],
    [1795636992, 1795636992n],
    [2n ** 63n, 2n ** 63n],
    [-1, 0n],
    ['now', 0n],
  ])('last came at %s: %s', (wire, seconds) => {
    expect(decodeGuestStats(stats({}, wire)).lastUpdateSeconds).toBe(seconds);
  });

  it('are bounded', () => {
    const many = (count: number) =>
      decodeGuestStats(stats(Object.fromEntries(Array.from({ length: count }, (_, index) => [`stat-x${index}`, 1]))));
    expect(many(MAX_GUEST_STATS).names).toHaveLength(MAX_GUEST_STATS);
    expect(many(MAX_GUEST_STATS + 1).names).toHaveLength(MAX_GUEST_STATS);
  });

  it('are read out of anything, or refused with one code', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        for (const value of [json, stats({ 'stat-swap-in': json as JsonValue }, json as JsonValue)]) {
          try {
            for (const each of decodeGuestStats(value as JsonValue).stats) expect(each.value).toBeTypeOf('bigint');
          } catch (error) {
            expect(error).toMatchObject({ code: 'QMP_REPLY_INVALID' });
          }
        }
        expect(Number.isSafeInteger(decodePollingInterval(json as JsonValue))).toBe(true);
      }),
    );
  });

  it.each<[JsonValue, number]>([
    [0, 0],
    [2, 2],
    [4294967295, 4294967295],
    [-1, 0],
    [2n ** 63n, 0],
    ['2', 0],
  ])('are asked for with an interval of %s: %d s', (wire, seconds) => {
    expect(decodePollingInterval(wire)).toBe(seconds);
  });
});

describe('the balloon', () => {
  const child = (name: string, type: string): JsonValue => ({ name, type });

  it.each([
    'virtio-balloon-pci',
    'virtio-balloon-ccw',
    'virtio-balloon-pci-transitional',
    'virtio-balloon-pci-non-transitional',
    'virtio-balloon-device',
  ])('is found as %s', (type) => {
    const reply = [child('type', 'string'), child('x', 'child<virtio-net-pci>'), child('b', `child<${type}>`)];
    expect(findBalloon('/machine/peripheral', reply)).toBe('/machine/peripheral/b');
  });

  it.each([
    child('b', 'link<virtio-balloon-pci>'),
    child('b', 'child<virtio-balloon-pci>x'),
    child('b/../c', 'child<virtio-balloon-pci>'),
    child('', 'child<virtio-balloon-pci>'),
    child('b\n', 'child<virtio-balloon-pci>'),
    child('b'.repeat(201), 'child<virtio-balloon-pci>'),
  ])('is not %j', (reply) => {
    expect(findBalloon('/machine/peripheral', [reply])).toBeUndefined();
  });

  it('has a size, or none that could be told', () => {
    expect(decodeBalloonSize({ actual: 2n ** 63n })).toBe(2n ** 63n);
    expect(decodeBalloonSize({ actual: 'much' })).toBeUndefined();
    expect(() => decodeBalloonSize(7)).toThrow(expect.objectContaining({ code: 'QMP_REPLY_INVALID' }));
    expect(() => findBalloon('/x', [{ name: 1, type: '' }])).toThrow(
      expect.objectContaining({ code: 'QMP_REPLY_INVALID' }),
    );
  });
});
