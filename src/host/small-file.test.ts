import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bootId, readSmallFile, removeFile, replaceFile } from './small-file.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-small-'));
  path = join(folder, 'file');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a small file', () => {
  it('is read whole up to the bound, and not beyond', () => {
    writeFileSync(path, 'ä'.repeat(10));
    expect(readSmallFile(path, 20)).toBe('ä'.repeat(10));
    expect(readSmallFile(path, 19)).toBeUndefined();
  });

  it('is none where there is none, or something else', () => {
    expect(readSmallFile(path, 9)).toBeUndefined();
    expect(readSmallFile(folder, 9)).toBeUndefined();
    writeFileSync(join(folder, 'other'), 'x');
    symlinkSync('other', path);
    expect(readSmallFile(path, 9)).toBeUndefined();
    expect(readSmallFile('/dev/zero', 9)).toBeUndefined();
  });

  it('is replaced as a whole, and only its owner may read it', () => {
    replaceFile(path, 'one');
    replaceFile(path, 'two');
    expect([readFileSync(path, 'utf8'), readdirSync(folder)]).toEqual(['two', ['file']]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('is not written through what stands in the way', () => {
    writeFileSync(join(folder, 'other'), 'kept');
    symlinkSync('other', `${path}.new`);
    replaceFile(path, 'text');
    expect([readFileSync(path, 'utf8'), readFileSync(join(folder, 'other'), 'utf8')]).toEqual(['text', 'kept']);
    mkdirSync(`${path}.new`);
    expect(() => replaceFile(path, 'more')).toThrow();
    expect(readFileSync(path, 'utf8')).toBe('text');
  });

  it('is removed where it is there', () => {
    writeFileSync(path, '');
    removeFile(path);
    removeFile(path);
    expect(readdirSync(folder)).toEqual([]);
    expect(() => removeFile(join(path, 'x', 'y'))).not.toThrow();
  });
});

it('this start of the machine has a name of its own', () => {
  expect(bootId()).toMatch(/^[0-9a-f-]{36}$/);
});
