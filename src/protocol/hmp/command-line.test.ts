import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_ARGUMENT_BYTES, parseInfoStatsArguments, parseNames } from './command-line.ts';

const HINT = 'Try "help info stats" for more information';

describe('the arguments of info stats', () => {
  it.each([
    ['vm', { target: 'vm' }],
    [' \t vcpu \t ', { target: 'vcpu' }],
    ['vm *', { target: 'vm' }],
    ['vm * kvm', { target: 'vm', provider: 'kvm' }],
    ['vm pages_4k,pages_2m', { target: 'vm', names: ['pages_4k', 'pages_2m'] }],
    ['vm pages_4k,', { target: 'vm', names: ['pages_4k'] }],
    ['vm ,', { target: 'vm', names: [] }],
    ['vm ""', { target: 'vm', names: [] }],
    ['vm **', { target: 'vm', names: ['**'] }],
    ['"vm" "a b" "kvm"', { target: 'vm', names: ['a b'], provider: 'kvm' }],
    ['"vm"pages_4k', { target: 'vm', names: ['pages_4k'] }],
    [String.raw`vm "a\"\\\n"`, { target: 'vm', names: ['a"\\\n'] }],
    ['vm pages_4k\nkvm', { target: 'vm', names: ['pages_4k'], provider: 'kvm' }],
    ['vm pag"es', { target: 'vm', names: ['pag"es'] }],
  ])('%j asks for %j', (text, value) => {
    expect(parseInfoStatsArguments(text)).toEqual({ ok: true, value });
  });

  it.each([
    ['', ['stats: string expected', HINT]],
    ['  ', ['stats: string expected', HINT]],
    ['"', ['stats: string expected', HINT]],
    ['vm "pages_4k', ['stats: string expected', HINT]],
    [String.raw`vm "pages_\q" kvm`, ['stats: string expected', HINT]],
    ['foo', ['invalid stats target foo']],
    ['VM', ['invalid stats target VM']],
    ['vm a b', ['invalid stats provider b']],
    ['vm "" ""', ['invalid stats provider ']],
    ['vm a kvm c', ['stats: extraneous characters at the end of line', HINT]],
    ['vm\ninfo stats vcpu', ['stats: extraneous characters at the end of line', HINT]],
  ])('%j is answered by %j', (text, lines) => {
    expect(parseInfoStatsArguments(text)).toEqual({ ok: false, lines });
  });

  it('takes the words that the schemas have', () => {
    const known = { targets: ['block'], providers: ['balloon'] };
    expect(parseInfoStatsArguments('block * balloon', known).ok).toBe(true);
    expect(parseInfoStatsArguments('vm', known).ok).toBe(false);
  });

  it('cuts an argument off where QEMU does', () => {
    const name = (length: number): unknown => parseInfoStatsArguments(`vm ${'n'.repeat(length)}`);
    expect(name(MAX_ARGUMENT_BYTES)).toMatchObject({ value: { names: ['n'.repeat(MAX_ARGUMENT_BYTES)] } });
    expect(name(MAX_ARGUMENT_BYTES + 1)).toMatchObject({ value: { names: ['n'.repeat(MAX_ARGUMENT_BYTES)] } });
  });

  it('answers any line', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('vm', ' ', '"', '\\', 'n', '*', ',', 'kvm', '\t') }), (text) => {
        const parsed = parseInfoStatsArguments(text);
        if (parsed.ok) expect(parsed.value.target).toBe('vm');
        else expect(parsed.lines.length).toBeGreaterThan(0);
      }),
    );
  });

  it('quoting brings any word through', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (word) => {
        const quoted = `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
        const parsed = parseInfoStatsArguments(`${quoted}`, { targets: [word], providers: [] });
        expect(parsed).toEqual({ ok: true, value: { target: word } });
      }),
    );
  });
});

describe('a list of names', () => {
  it('is everything for an asterisk alone', () => {
    expect(parseNames('*')).toBeUndefined();
    expect(parseNames('*,a')).toEqual(['*', 'a']);
  });
});
