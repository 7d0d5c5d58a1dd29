import { describe, expect, it } from 'vitest';
import { AuthFile, MAX_AUTH_FILE_BYTES } from './auth-file.ts';

const OK = 'authname=joe\npassword=pw\n';
const MAPPED = '[auth-libvirt-localhost]\ncredentials=test\n';

/** A file whose credentials for this host are these lines. */
const whole = (credentials: string): string => `[credentials-test]\n${credentials}${MAPPED}`;

const found = (text: string, host = 'localhost'): unknown => AuthFile.parse(text, 'auth.conf').find('libvirt', host);

describe('a file of credentials', () => {
  it.each<[string, string, object]>([
    ['as libvirt’s page has it', whole(OK), { authname: 'joe', password: 'pw' }],
    ['blanks around the sign', whole(' authname = joe\npassword\t=  pw\n'), { authname: 'joe', password: 'pw' }],
    ['blanks behind a value', whole('authname=joe\npassword=pw  \n'), { authname: 'joe', password: 'pw  ' }],
    ['an equals sign in a value', whole('authname=joe\npassword= =a=\n'), { authname: 'joe', password: '=a=' }],
    ['escapes', whole(`${String.raw`password=\s1\t2\\3#x\s`}\n`), { password: ' 1\t2\\3#x ' }],
    ['comments', whole(`# a\n  # b\n\n; c = d\n${OK}`), { authname: 'joe', password: 'pw' }],
    ['a key twice', whole('password=x\npassword=pw\n'), { password: 'pw' }],
    [
      'a group twice',
      `${whole('authname=joe\n')}[credentials-test]\npassword=pw\n`,
      { authname: 'joe', password: 'pw' },
    ],
    ['blanks around a group', ` [credentials-test] \t\n${OK}\n  ${MAPPED}`, { authname: 'joe', password: 'pw' }],
    ['lines of DOS', whole(OK).replaceAll('\n', '\r\n'), { authname: 'joe', password: 'pw' }],
    ['no end of the last line', whole(OK).slice(0, -1), { authname: 'joe', password: 'pw' }],
    [
      'names with blanks',
      `[credentials-a b]\n${OK}[auth-libvirt-default]\ncredentials=a b`,
      { authname: 'joe', password: 'pw' },
    ],
    ['names of languages', whole(`a b[de_DE.UTF-8@euro]=x\nc[]=y\n${OK}`), { authname: 'joe', password: 'pw' }],
    ['what is for others', whole(`realm=x\nusername=you\n${OK}`), { authname: 'joe', password: 'pw' }],
    ['no password', whole('authname=joe\n'), { authname: 'joe' }],
    ['an empty password', whole('authname=joe\npassword=\n'), { authname: 'joe', password: '' }],
    ['backslashes that nobody asks for', whole(`${OK}other=a\\b\n`), { authname: 'joe', password: 'pw' }],
  ])('has %s', (_what, text, credentials) => {
    expect(found(text)).toEqual(credentials);
  });

  it('has those of a host, else those of the host default, else none', () => {
    const text = `[credentials-a]\nauthname=a\n[credentials-b]\nauthname=b\n
[auth-libvirt-one.example.com]\ncredentials=a\n[auth-libvirt-default]\ncredentials=b\n[auth-esx-two]\ncredentials=a\n`;
    expect(found(text, 'one.example.com')).toEqual({ authname: 'a' });
    expect(found(text, 'two')).toEqual({ authname: 'b' });
    expect(AuthFile.parse(text, 'x').find('esx', 'one.example.com')).toBeUndefined();
    expect(found('')).toBeUndefined();
  });

  it.each<[string, string, RegExp]>([
    ['something else', whole(`${OK}se=cret\nsecret\n`), /line 5 of auth\.conf is no group/],
    ['a comment of another kind', whole('; secret\n'), /line 2 of auth\.conf is no group/],
    ['something behind a group', `[credentials-test] secret\n${OK}`, /line 1/],
    ['an entry before the first group', `secret=1\n${whole(OK)}`, /line 1 of auth\.conf is an entry before the first/],
    ['a key with a bracket', whole('sec[ret=1\n'), /line 2/],
    ['a blank before a language', whole('secret [de]=1\n'), /line 2/],
    ['no key', whole('=secret\n'), /line 2/],
    ['a group without a name', `[]\n${whole(OK)}`, /line 1/],
    ['a bracket in a group’s name', `[a[b]\n${whole(OK)}`, /line 1/],
    ['a mark of byte order', `\ufeff${whole(OK)}`, /line 1/],
    ['a character with the number 0', whole(`${OK}a=\0secret\n`), /line 4 of auth\.conf has a character/],
    ['an escape that is none', whole('authname=joe\npassword=sec\\ret\n'.replace('\\r', '\\w')), /line 3 .* backslash/],
    ['a backslash at the end', whole('authname=joe\npassword=secret\\\n'), /line 3 .* backslash/],
    [
      'no name of credentials',
      '[auth-libvirt-localhost]\na=secret\n',
      /\[auth-libvirt-localhost\] has no entry credentials=NAME/,
    ],
    ['credentials that are not there', MAPPED, /no group \[credentials-test\], which \[auth-libvirt-localhost\] names/],
  ])('is refused with %s, without telling what stands there', (_what, text, message) => {
    const read = (): unknown => found(text);
    expect(read).toThrow(expect.objectContaining({ code: 'LIBVIRT_AUTH_FAILED' }));
    expect(read).toThrow(message);
    expect(read).not.toThrow(/secret/);
  });

  it('is read at once, whatever fills it up to its bound', () => {
    const blanks = ' '.repeat(MAX_AUTH_FILE_BYTES - 100);
    const startMs = performance.now();
    expect(found(whole(`a${blanks}b=c\n${OK}`))).toEqual({ authname: 'joe', password: 'pw' });
    expect(() => found(whole(`a${blanks}[b\n`))).toThrow(/no group/);
    // Where each blank looks at all others, this takes ten seconds; else a few milliseconds.
    expect(performance.now() - startMs).toBeLessThan(2000);
  });

  it('is not made up for where a host’s own group is wrong', () => {
    const text = `[credentials-test]\n${OK}[auth-libvirt-localhost]\ncredentials=gone\n[auth-libvirt-default]\ncredentials=test\n`;
    expect(() => found(text)).toThrow(/no group/);
    expect(found(text, 'other')).toEqual({ authname: 'joe', password: 'pw' });
  });
});
