import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Recorder } from '../../history/recorder.ts';
import { Recording } from '../../history/recording.ts';
import type { Domain } from '../../model/domain.ts';
import { ReplaySource } from './replay-source.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-replay-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

it('goes on to open a recording that a search had no time for, and opens it once', async () => {
  const path = join(folder, 'r.parquet');
  const domain: Domain = { id: 'a', name: 'web', source: 'local:' };
  const schema = { provider: 'kvm', target: 'vm', stats: [{ name: 'n', type: 'instant', exponent: 0 }] } as const;
  const recorder = await Recorder.open({ path, everyMs: 1000, onProblem: () => undefined });
  const about = { domain: 'web', provider: 'kvm', target: 'vm', via: 'kvm', collectedAtNs: 1_000_000_000_000n };
  const items = [{ ...about, stats: [{ name: 'n', value: 1n }] }];
  await recorder.add([{ domain, items }], () => schema);
  await recorder.close();

  const opening = vi.spyOn(Recording, 'open');
  const source = new ReplaySource(`replay:${path}`);
  const impatient = new AbortController();
  const first = source.scan({ signal: impatient.signal });
  impatient.abort();
  await expect(first).rejects.toMatchObject({ code: 'CANCELLED' });
  const found = await source.scan({ signal: new AbortController().signal });
  expect(found.map(({ domain: { name } }) => name)).toEqual(['web']);
  expect(opening).toHaveBeenCalledTimes(1);
  await source.close();
});
