import { describe, expect, it } from 'vitest';
import { lineOf, readToml } from './toml.ts';

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

describe('lineOf', () => {
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

describe('readToml', () => {
  it('says where a text is wrong', () => {
    expect(readToml('a = 1\nb = = 2')).toMatchObject({ line: 2, reason: expect.not.stringContaining('\n') });
    expect(readToml('a = 1\na = 2')).toMatchObject({ line: 2 });
  });

  it('keeps large integers', () => {
    expect(readToml('a = 9007199254740993')).toEqual({ table: { a: 9007199254740993n } });
  });
});
