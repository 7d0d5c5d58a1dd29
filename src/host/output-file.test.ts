import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeOutputFile } from './output-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'virtstat-output-'));

afterAll(() => rmSync(folder, { recursive: true }));

describe('a file that was asked for', () => {
  it('is written whole, also in place of another', () => {
    const path = join(folder, 'a.svg');
    writeFileSync(path, 'before');
    writeOutputFile(path, 'after');
    expect(readFileSync(path, 'utf8')).toBe('after');
    expect(readdirSync(folder)).toEqual(['a.svg']);
  });

  it.each([
    ['no/such/folder/a.svg', 'PATH_NOT_FOUND'],
    ['taken', 'OUTPUT_FAILED'],
  ])('is refused where it cannot be: %s', (name, code) => {
    mkdirSync(join(folder, 'taken'), { recursive: true });
    expect(() => writeOutputFile(join(folder, name), 'x')).toThrow(expect.objectContaining({ code }));
    expect(readdirSync(folder).filter((entry) => entry.includes('.part-'))).toEqual([]);
  });
});
