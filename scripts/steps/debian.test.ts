import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { debianMirror, mirrorIn } from './debian.js';

describe('mirrorIn, one-line format', () => {
  it('takes the mirror of the suite, not that of others', () => {
    const text = [
      '# deb http://commented.example/debian bookworm main',
      'deb-src http://source.example/debian bookworm main',
      'deb http://security.example/debian-security bookworm-security main',
      'deb http://other.example/apt bookworm contrib',
      'deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] https://mirror.example/debian/ bookworm main contrib # ours',
    ];
    expect(mirrorIn(text.join('\n'), false, 'bookworm')).toBe('https://mirror.example/debian');
  });

  it('takes stable for the suite', () => {
    expect(mirrorIn('deb http://mirror.example/debian stable main\n', false, 'bookworm')).toBe(
      'http://mirror.example/debian',
    );
  });

  it('finds none where there is none', () => {
    expect(mirrorIn('', false, 'bookworm')).toBeUndefined();
    expect(mirrorIn('deb cdrom:[Debian]/ bookworm main\n', false, 'bookworm')).toBeUndefined();
    expect(mirrorIn('deb http://mirror.example/debian trixie main\n', false, 'bookworm')).toBeUndefined();
  });
});

describe('mirrorIn, deb822 format', () => {
  const stanza = (fields: Readonly<Record<string, string>>): string =>
    Object.entries(fields)
      .map(([name, value]) => `${name}: ${value}\n`)
      .join('');
  const good = { Types: 'deb', URIs: 'http://mirror.example/debian/', Suites: 'bookworm', Components: 'main' };

  it('takes the stanza of the suite, not those of others', () => {
    const text = [
      stanza({ ...good, URIs: 'http://security.example/debian', Suites: 'bookworm-security' }),
      stanza({ ...good, URIs: 'http://off.example/debian', Enabled: 'no' }),
      stanza({ ...good, URIs: 'http://source.example/debian', Types: 'deb-src' }),
      stanza({ ...good, Types: 'deb deb-src', Suites: 'bookworm bookworm-updates', Components: 'main contrib' }),
    ];
    expect(mirrorIn(text.join('\n'), true, 'bookworm')).toBe('http://mirror.example/debian');
  });

  it('reads comments inside a stanza, folded fields, names in any case, several URIs', () => {
    const text = [
      'types: deb',
      '# a comment between fields',
      'URIs: cdrom:/ http://first.example/debian',
      'Suites:',
      ' trixie',
      ' bookworm',
      'Components: main',
      '',
    ];
    expect(mirrorIn(text.join('\n'), true, 'bookworm')).toBe('http://first.example/debian');
  });
});

describe('debianMirror', () => {
  it('reads both kinds of file, and no others', () => {
    const folder = mkdtempSync(join(tmpdir(), 'virtstat-apt-'));
    const parts = join(folder, 'sources.list.d');
    try {
      expect(debianMirror(folder)).toBeUndefined();
      mkdirSync(parts);
      writeFileSync(join(parts, 'old.list.save'), 'deb http://saved.example/debian stable main\n');
      expect(debianMirror(folder)).toBeUndefined();
      const fields = 'Types: deb\nURIs: http://parts.example/debian\nSuites: stable\nComponents: main\n';
      writeFileSync(join(parts, 'debian.sources'), fields);
      expect(debianMirror(folder)).toBe('http://parts.example/debian');
      writeFileSync(join(folder, 'sources.list'), 'deb http://list.example/debian stable main\n');
      expect(debianMirror(folder)).toBe('http://list.example/debian');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
