import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { historyPath, readHistory, writeHistory } from './history-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'virtstat-history-'));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the history file', () => {
  it('lies where the environment says', () => {
    expect(historyPath({ XDG_STATE_HOME: '/state' })).toBe('/state/virtstat/history');
    expect(historyPath({})).toMatch(/\/\.local\/state\/virtstat\/history$/);
  });

  it('keeps the last lines, for its owner alone', () => {
    const path = join(folder, 'a', 'b', 'history');
    writeHistory(path, ['1', '2', '3'], 2);
    expect(readHistory(path, 10)).toEqual(['2', '3']);
    expect(readHistory(path, 1)).toEqual(['3']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('is nothing to fail for', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(readHistory(join(file, 'history'), 10)).toEqual([]);
    expect(() => writeHistory(join(file, 'history'), ['x'], 10)).not.toThrow();
  });
});
