import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileWatch } from './file-watch.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-watch-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a watch of files', () => {
  it('takes them once for each change, not while they go on changing, and not after its end', async () => {
    const file = join(folder, 'a');
    let [taken, writing] = [0, 0];
    const watch = new FileWatch({
      files: () => [file],
      take: async () => {
        taken++;
      },
      everyMs: 20,
    });
    await expect.poll(() => taken).toBe(1);
    const busy = setInterval(() => writeFileSync(file, String(writing++)), 5);
    await expect.poll(() => writing).toBeGreaterThan(20);
    clearInterval(busy);
    await expect.poll(() => taken).toBeGreaterThan(1);
    // Between two looks it changes several times: hardly ever it looks still.
    expect(taken).toBeLessThan(5);
    // It may have looked still before the last change, too.
    await expect
      .poll(async () => {
        const before = taken;
        await sleep(200);
        return taken - before;
      })
      .toBe(0);
    const before = taken;
    watch[Symbol.dispose]();
    writeFileSync(file, 'end');
    await sleep(100);
    expect(taken).toBe(before);
  });
});
