import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openLog } from './log.ts';

it('a log is one JSON object a line, of its level and above', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'virtstat-log-'));
  const fd = openSync(join(folder, 'log'), 'w');
  try {
    const log = openLog('info', fd);
    log.debug({}, 'silent');
    for (let line = 0; line < 100; line++) log.info({ line, name: 'a\n"b' }, 'said');
    log.setLevel('error');
    log.warn({}, 'silent');
    log.error({}, 'last');
    await log.flush();
    const lines = readFileSync(join(folder, 'log'), 'utf8').split('\n');
    expect(lines.pop()).toBe('');
    const objects = lines.map((line) => JSON.parse(line));
    expect(objects.map(({ msg }) => msg)).toEqual([...new Array(100).fill('said'), 'last']);
    expect(objects[7]).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      line: 7,
      name: 'a\n"b',
      msg: 'said',
    });
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
});
