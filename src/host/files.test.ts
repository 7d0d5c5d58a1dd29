import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readBounded } from './files.ts';

const folder = mkdtempSync(join(tmpdir(), 'files-'));
const MAX_SIZE_BYTES = 200_000;
const options = { maxSizeBytes: MAX_SIZE_BYTES, signal: new AbortController().signal };

afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(sizeBytes: number): string {
  const path = join(folder, `${sizeBytes}`);
  writeFileSync(path, new Uint8Array(sizeBytes).fill(7));
  return path;
}

describe('reading a file with a bound', () => {
  it.each([0, 1, 70_000, MAX_SIZE_BYTES])('gives all of %i bytes', async (sizeBytes) => {
    const content = await readBounded(fileOf(sizeBytes), options);
    expect(content?.bytes).toHaveLength(sizeBytes);
    expect(content?.bytes.every((byte) => byte === 7)).toBe(true);
  });

  it('gives nothing of a larger one', async () => {
    expect(await readBounded(fileOf(MAX_SIZE_BYTES + 1), options)).toBeUndefined();
    truncateSync(join(folder, '0'), 2 ** 30);
    expect(await readBounded(join(folder, '0'), options)).toBeUndefined();
  });

  it('reads what announces no size, and stops where that has no end', async () => {
    const status = await readBounded('/proc/self/status', options);
    expect(Buffer.from(status?.bytes ?? []).toString()).toContain('\nPid:');
    // It would be hundreds of gigabytes.
    expect(await readBounded('/proc/self/pagemap', options)).toBeUndefined();
  });

  it('refuses a pipe at once, and a caller that has gone', async () => {
    const pipe = join(folder, 'pipe');
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    await expect(readBounded(pipe, options)).rejects.toMatchObject({ code: 'STATS_FILE_UNREADABLE' });
    const signal = AbortSignal.abort(new Error('gone'));
    await expect(readBounded(fileOf(1), { ...options, signal })).rejects.toMatchObject({
      code: 'STATS_FILE_UNREADABLE',
    });
  });

  it('takes turns, of which a failure is one', async () => {
    const paths = Array.from({ length: 50 }, (_, index) => (index % 3 === 0 ? join(folder, 'gone') : fileOf(100)));
    const outcomes = await Promise.allSettled(paths.map((path) => readBounded(path, options)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(33);
  });
});
