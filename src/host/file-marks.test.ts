import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fileMarks } from './file-marks.ts';

const folder = mkdtempSync(join(tmpdir(), 'virtstat-marks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('fileMarks', () => {
  it('are others once a file was written, replaced, removed, or a link leads elsewhere', async () => {
    const [a, b, link] = ['a', 'b', 'link'].map((name) => join(folder, name)) as [string, string, string];
    const seen = new Set<string>();
    const isNew = async (): Promise<boolean> => {
      const marks = await fileMarks([a, link]);
      expect(await fileMarks([a, link])).toBe(marks);
      const before = seen.size;
      return seen.add(marks).size > before;
    };
    expect(await isNew()).toBe(true);
    writeFileSync(a, 'x');
    expect(await isNew()).toBe(true);
    writeFileSync(a, 'y');
    expect(await isNew()).toBe(true);
    writeFileSync(b, 'y');
    expect(await isNew()).toBe(false);
    symlinkSync(b, link);
    expect(await isNew()).toBe(true);
    renameSync(b, a);
    expect(await isNew()).toBe(true);
    expect(await fileMarks([a])).not.toBe(await fileMarks([a, b]));
  });
});
