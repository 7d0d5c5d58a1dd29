import fc from 'fast-check';
import { formatIdl } from '../../src/protocol/varlink/idl-format.ts';
import { parseIdl, VarlinkIdlError } from '../../src/protocol/varlink/idl-parse.ts';
import { attempt, bytesOf, type FuzzTarget, must, mustEqual, outcomeOf } from '../target.ts';

function check(input: Uint8Array): string {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(input);
  let refusal: unknown;
  const outcome = attempt(() => {
    try {
      return parseIdl(text);
    } catch (error) {
      refusal = error;
      throw error;
    }
  }, ['VARLINK_IDL_INVALID']);
  if ('code' in outcome) {
    must(refusal instanceof VarlinkIdlError, 'an error has no place');
    const { line, column, message } = refusal as VarlinkIdlError;
    const lines = text.split('\n');
    must(line >= 1 && line <= lines.length, `line ${line} is none of the text`);
    must(column >= 1 && column <= (lines[line - 1] as string).length + 1, `column ${column} is none of its line`);
    return message.replace(/^.*column \d+: /, '').replaceAll(/type \w+|\w+ (?=is)/g, '');
  }
  const written = formatIdl(outcome.value);
  mustEqual(parseIdl(written), outcome.value, 'a definition changes when it is written');
  mustEqual(formatIdl(parseIdl(written)), written, 'the usual form is not stable');
  return outcomeOf(outcome.value.members.map(({ kind }) => kind));
}

const WORDS = [
  ...[
    'interface org.example\n',
    'type T ',
    'method M',
    'error E ',
    '()',
    '(x: int)',
    '(a, b)',
    ' -> ',
    'T',
    'x: ',
    '?',
  ],
  ...[
    '[]',
    '[string]',
    '(',
    ')',
    ',',
    ':',
    'bool',
    'int',
    'float',
    'string',
    'object',
    'any',
    '# note\n',
    '#\n',
    '\n\n',
  ],
  ...['\n', ' ', '\t', '\r\n', 'type ', 'method ', 'error ', 'x', 'y_z', '_', '-', '.', 'a.b', '\x85', '\xe2\x80\xa8'],
];

const type = fc.letrec<{ type: string; field: string; struct: string }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('bool', 'int', 'float', 'string', 'object', 'any', 'T', '(a, b)'),
    tie('type').map((of) => `[]${of}`),
    tie('type').map((of) => `[string]${of}`),
    tie('type').map((of) => `?${of}`),
    tie('struct'),
  ),
  field: fc.tuple(fc.constantFrom('a', 'b', 'x', '# c\nd'), tie('type')).map(([name, of]) => `${name}: ${of}`),
  struct: fc.array(tie('field'), { maxLength: 3 }).map((fields) => `(${fields.join(', ')})`),
}));
const member = fc.oneof(
  fc.tuple(fc.constantFrom('T', 'U'), type.struct).map(([name, of]) => `type ${name} ${of}\n`),
  fc.tuple(fc.constantFrom('M', 'N'), type.struct, type.struct).map(([name, i, o]) => `method ${name}${i} -> ${o}\n`),
  type.struct.map((of) => `error E ${of}\n`),
  fc.constantFrom('# About.\n', '\n'),
);

/** Interface definitions of varlink, which come from services. */
export const varlinkIdl: FuzzTarget = {
  name: 'varlink-idl',
  words: WORDS,
  inputs: fc
    .oneof(
      fc.array(member, { maxLength: 5 }).map((members) => `interface org.example\n${members.join('')}`),
      fc.array(fc.constantFrom(...WORDS), { maxLength: 30 }).map((words) => `interface a.b\n${words.join('')}`),
    )
    .map(bytesOf),
  check,
};
