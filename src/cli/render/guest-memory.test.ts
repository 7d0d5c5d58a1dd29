import { describe, expect, it } from 'vitest';
import { VirtstatError } from '../../model/errors.ts';
import type { GuestMemory } from '../../model/guest-memory.ts';
import { plainPaint } from '../terminal.ts';
import { guestMemoryDocument } from './guest-memory-document.ts';
import { guestMemoryText } from './guest-memory-text.ts';
import { document } from './json.ts';

const domain = (name: string) => ({ id: name, name, source: 'test:' });

const reporting: GuestMemory = {
  status: 'reporting',
  balloonSizeBytes: 2n ** 63n,
  pollingIntervalSeconds: 2n,
  lastUpdateSeconds: 1795636992n,
  ageNs: 1_900_000_000n,
  stats: [
    { name: 'stat-swap-in', value: 2n ** 64n - 2n },
    { name: 'stat-free-memory', value: 1n << 29n },
    { name: 'stat-total-memory', value: 1n << 30n },
    { name: 'stat-available-memory', value: 3n << 28n },
    { name: 'stat-disk-caches', value: 1n << 20n },
  ],
};
const none: GuestMemory = {
  status: 'no-device',
  reason: 'no\u001b[31m device',
  pollingIntervalSeconds: 0n,
  lastUpdateSeconds: 0n,
  stats: [],
};
const failed = { domain: domain('c'), items: [], errors: [new VirtstatError('MONITOR_BUSY', 'busy')] };

describe('guests’ memory', () => {
  it('is a document with every digit', () => {
    const answers = [
      { domain: domain('a'), items: [reporting], errors: [] },
      { domain: domain('b'), items: [{ ...none, reason: 'why' }], errors: [] },
      failed,
    ];
    expect(document(guestMemoryDocument(answers))).toBe(
      '[{"domain":"a","status":"reporting","balloon-size":9223372036854775808,"polling-interval":2,"last-update":1795636992,' +
        '"stats":[{"name":"stat-swap-in","value":18446744073709551614},{"name":"stat-free-memory","value":536870912},' +
        '{"name":"stat-total-memory","value":1073741824},{"name":"stat-available-memory","value":805306368},' +
        '{"name":"stat-disk-caches","value":1048576}]},' +
        '{"domain":"b","status":"no-device","reason":"why","polling-interval":0,"last-update":0,"stats":[]},' +
        '{"domain":"c","error":{"code":"MONITOR_BUSY","message":"busy"}}]\n',
    );
  });

  it('is a table for people, with what there is to say below', () => {
    const answers = [
      { domain: domain('a'), items: [reporting], errors: [] },
      { domain: domain('b'), items: [none], errors: [] },
      failed,
    ];
    expect(guestMemoryText(answers, plainPaint)).toBe(
      [
        'NAME  STATUS     AGE  TOTAL     USED  AVAILABLE     FREE  CACHES  BALLOON  ASKED',
        'a     reporting  1 s  1 GiB  256 MiB    768 MiB  512 MiB   1 MiB    8 EiB  every 2 s',
        'b     no-device    -      -        -          -        -       -        -  -',
        '  no\\x1b[31m device',
        '',
      ].join('\n'),
    );
    expect(guestMemoryText([failed], plainPaint)).toBe('');
  });

  it('has no use that makes no sense', () => {
    const stats = [
      { name: 'stat-total-memory', value: 1n },
      { name: 'stat-available-memory', value: 2n },
    ];
    const [, line] = guestMemoryText(
      [{ domain: domain('a'), items: [{ ...reporting, stats }], errors: [] }],
      plainPaint,
    ).split('\n');
    expect(line).toMatch(/^a +reporting +1 s +1 B +- +2 B +- +-/);
  });
});
