import { describe, expect, it } from 'vitest';
import { MAX_SEARCHED_LENGTH, readToml, TomlLines } from './toml.ts';

function lineOf(text: string, path: readonly PropertyKey[]): number | undefined {
  return new TomlLines(text).of(path);
}

const TEXT = `# a comment
timeout = "3s"

connect = [
  "local:",   # one
  "qmp+unix:/run/a",
]
text = """
timeout = "in a text"
"""
[log] # more
level = "info"

[[access]]
users = ["a"]
domains = ["*"]
[[access]]
domains = [
  "x",
]
users = ["b"]
[deep.er]
key.inner = 1`;

describe('the line of a value', () => {
  it.each([
    [['timeout'], 2],
    [['connect'], 4],
    [['connect', 1], 4],
    [['text'], 8],
    [['log'], 11],
    [['log', 'level'], 12],
    [['access'], 14],
    [['access', 0, 'users'], 15],
    [['access', 0, 'domains', 0], 16],
    [['access', 1], 17],
    [['access', 1, 'domains', 0], 18],
    [['access', 1, 'users', 0], 21],
    [['deep', 'er', 'key', 'inner'], 23],
  ] as const)('finds %j in line %i', (path, line) => {
    expect(lineOf(TEXT, path)).toBe(line);
  });

  it('finds the table where the key is missing, and nothing where nothing is', () => {
    expect(lineOf(TEXT, ['access', 1, 'providers'])).toBe(17);
    expect(lineOf(TEXT, ['log', 'nothing', 3])).toBe(11);
    expect(lineOf(TEXT, ['nothing'])).toBeUndefined();
    expect(lineOf('', ['nothing'])).toBeUndefined();
    expect(lineOf('toString = 1', ['toString'])).toBe(1);
    expect(lineOf('a = 1', ['toString'])).toBeUndefined();
  });

  it('does not depend on how many lines stand before', () => {
    for (let before = 0; before < 40; before++) {
      const text = `${'# \n'.repeat(before)}a = 1\nb = [\n 1,\n 2,\n]\nc = 2\n`;
      expect([['a'], ['b'], ['c']].map((path) => lineOf(text, path))).toEqual([before + 1, before + 2, before + 6]);
    }
  });
});

describe('a long list', () => {
  /** Cut anywhere inside the list, the text is not right: the search has to go through all of it. */
  const listOf = (length: number): string => `a = [\n${'"x",\n'.repeat(length)}]\nb = 1\n`;

  it('is searched once for all of its elements', () => {
    const length = 1000;
    const lines = new TomlLines(listOf(length));
    const before = process.cpuUsage();
    for (let index = 0; index < length; index += 2) expect(lines.of(['a', index])).toBe(1);
    expect(lines.of(['b'])).toBe(length + 3);
    const { user } = process.cpuUsage(before);
    expect(user / 1000).toBeLessThan(10_000);
  });

  it('is given up at the bound, and not below it', () => {
    const fits = 1000;
    const tooMany = Math.ceil(Math.sqrt((2 * MAX_SEARCHED_LENGTH) / 4)) * 2;
    expect(new TomlLines(listOf(fits)).of(['b'])).toBe(fits + 3);
    const lines = new TomlLines(listOf(tooMany));
    expect(lines.of(['a', 5])).toBeUndefined();
    expect(lines.of(['b'])).toBeUndefined();
  });
});

describe('readToml', () => {
  it('says where a text is wrong', () => {
    expect(readToml('a = 1\nb = = 2')).toMatchObject({ line: 2, reason: expect.not.stringContaining('\n') });
    expect(readToml('a = 1\na = 2')).toMatchObject({ line: 2 });
  });

  it('keeps large integers', () => {
    expect(readToml('a = 9007199254740993')).toEqual({ table: { a: 9007199254740993n } });
  });
});
