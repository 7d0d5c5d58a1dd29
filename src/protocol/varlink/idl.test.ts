import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IdlField, IdlInterface, IdlStruct, IdlType } from './idl.ts';
import { formatIdl, formatType } from './idl-format.ts';
import { MAX_IDL_DEPTH, MAX_IDL_LENGTH, parseIdl, VarlinkIdlError } from './idl-parse.ts';
import { SERVICE_INTERFACE } from './service.ts';

const fieldNames = fc.stringMatching(/^[A-Za-z](_?[A-Za-z0-9]){0,8}$/);
const memberNames = fc.stringMatching(/^[A-Z][A-Za-z0-9]{0,8}$/);
const comments = fc.array(fc.stringMatching(/^[a-z(]([a-z ,;?]{0,20}[a-z.])?$/), { maxLength: 3 });
const comment = comments.map((lines) => lines.join('\n'));

/** Types that use none of the names but `names`. */
function types(names: readonly string[]): fc.Arbitrary<IdlType> {
  const basic = fc.constantFrom('bool', 'int', 'float', 'string', 'object', 'any').map((kind) => ({ kind }) as IdlType);
  const named = fc.constantFrom(...names).map((name): IdlType => ({ kind: 'named', name }));
  const { type } = fc.letrec<{ type: IdlType; plain: IdlType }>((tie) => ({
    plain: fc.oneof(
      { maxDepth: 4 },
      names.length === 0 ? basic : fc.oneof(basic, named),
      tie('type').map((of): IdlType => ({ kind: 'array', of })),
      tie('type').map((of): IdlType => ({ kind: 'dict', of })),
      structs(tie('type')),
      enums,
    ),
    type: fc.oneof(
      tie('plain'),
      tie('plain').map((of): IdlType => ({ kind: 'maybe', of })),
    ),
  }));
  return type;
}

const enums = fc
  .uniqueArray(fieldNames, { minLength: 1, maxLength: 4 })
  .map((values) => ({ kind: 'enum', values }) as const);

function structs(type: fc.Arbitrary<IdlType>): fc.Arbitrary<IdlStruct> {
  const field: fc.Arbitrary<IdlField> = fc.record({ name: fieldNames, type, comment });
  return fc
    .uniqueArray(field, { selector: ({ name }) => name, maxLength: 4 })
    .map((fields) => ({ kind: 'struct', fields }));
}

const interfaces: fc.Arbitrary<IdlInterface> = fc
  .uniqueArray(memberNames, { minLength: 1, maxLength: 5 })
  .chain((names) => {
    const isType = (index: number): boolean => index % 3 === 0;
    const any = types(names.filter((_, index) => isType(index)));
    const struct = structs(any);
    const members = names.map((name, index) => {
      if (isType(index)) {
        return fc.record({
          kind: fc.constant('type' as const),
          name: fc.constant(name),
          comment,
          type: fc.oneof(struct, enums),
        });
      }
      return index % 3 === 1
        ? fc.record({
            kind: fc.constant('method' as const),
            name: fc.constant(name),
            comment,
            input: struct,
            output: struct,
          })
        : fc.record({
            kind: fc.constant('error' as const),
            name: fc.constant(name),
            comment,
            parameters: struct,
          });
    });
    const name = fc.constantFrom('org.example', 'a.b', 'xn--lgbbat1ad8j.example.algeria', 'com.example.0example');
    return fc.record({ name, comment, members: fc.tuple(...members) });
  });

describe('an interface definition', () => {
  it('means the same after it was written and read', () => {
    fc.assert(
      fc.property(interfaces, (definition) => {
        expect(parseIdl(formatIdl(definition))).toEqual(definition);
      }),
    );
  });

  it('keeps its usual form', () => {
    expect(formatIdl(parseIdl(SERVICE_INTERFACE.text))).toBe(SERVICE_INTERFACE.text);
  });

  it('may be written without any space that is not needed', () => {
    const text = 'interface a.b type T(x:?[][string](a,b),y:T)method M()->()error E(t:T)';
    const { members } = parseIdl(text);
    expect(members.map(({ name }) => name)).toEqual(['T', 'M', 'E']);
    expect(formatType((members[0] as { type: IdlType }).type)).toBe('(x: ?[][string](a, b), y: T)');
  });

  it('gives each thing the comment right above it', () => {
    const text =
      '# License.\n\n# About a.\n# More.\ninterface a.b\n\n# About M.\nmethod M(\n # about x\n x: int) -> ()\n# End.\n';
    const definition = parseIdl(text);
    expect(definition.comment).toBe('About a.\nMore.');
    expect(definition.members).toMatchObject([
      { comment: 'About M.', input: { fields: [{ name: 'x', comment: 'about x' }] } },
    ]);
  });
});

describe('a wrong definition', () => {
  const head = 'interface a.b\n';
  it.each([
    ['', 1, 1, 'interface should be here'],
    ['type', 1, 1, 'interface should be here'],
    ['interface nodots', 1, 11, 'a reversed domain name'],
    ['interface a.b-', 1, 11, 'a reversed domain name'],
    ['interface a..b', 1, 11, 'a reversed domain name'],
    [`${head}func F()`, 2, 1, 'type or method or error'],
    [`${head}type lower ()`, 2, 6, 'capital letter'],
    [`${head}type T (\n  x: int,\n  x: int\n)`, 4, 3, 'x is there twice'],
    [`${head}type T ()\nmethod T() -> ()`, 3, 8, 'T is defined twice'],
    [`${head}type T (x: integer)`, 2, 12, 'no type integer'],
    [`${head}type T (x: Other)`, 2, 12, 'type Other is not defined'],
    [`${head}type T (x: ??int)`, 2, 12, 'second ?'],
    [`${head}type T (x: int`, 2, 15, ') should be here'],
    [`${head}type T (x: int,)`, 2, 16, 'a name of letters'],
    [`${head}type T (x_: int)`, 2, 10, ') should be here'],
    [`${head}type T (a, b: int)`, 2, 13, ') should be here'],
    [`${head}type T (x: [int]int)`, 2, 12, 'a type should be here'],
    [`${head}method M(x) -> ()`, 2, 9, 'fields with types'],
    [`${head}method M() ()`, 2, 12, '-> should be here'],
    [`${head}error E`, 2, 8, '( should be here'],
  ])('is refused with its place: %j', (text, line, column, problem) => {
    let error: unknown;
    try {
      parseIdl(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(VarlinkIdlError);
    expect(error).toMatchObject({ code: 'VARLINK_IDL_INVALID', line, column });
    expect((error as Error).message).toContain(problem);
  });

  it('is refused at the bound of its depth, and not below it', () => {
    const nested = (depth: number): string => `${head}type T (x: ${'[]'.repeat(depth - 1)}int)`;
    expect(() => parseIdl(nested(MAX_IDL_DEPTH))).not.toThrow();
    expect(() => parseIdl(nested(MAX_IDL_DEPTH + 1))).toThrow('nest deeper');
  });

  it('is refused at the bound of its length, and not below it', () => {
    expect(() => parseIdl(head.padEnd(MAX_IDL_LENGTH))).not.toThrow();
    expect(() => parseIdl(head.padEnd(MAX_IDL_LENGTH + 1))).toThrow('longer than');
  });

  it('never raises anything else, whatever the text', () => {
    const tokens = ['interface', ' a.b', 'type ', 'method ', 'error ', 'T', 'x', '(', ')', ':', ',', '->', '?', '[]'];
    const texts = fc.array(fc.constantFrom(...tokens, '[string]', 'int', '#c\n', '\n'), { maxLength: 30 });
    fc.assert(
      fc.property(
        fc.oneof(
          texts.map((parts) => head + parts.join('')),
          fc.string(),
        ),
        (text) => {
          try {
            parseIdl(text);
          } catch (error) {
            expect(error).toBeInstanceOf(VarlinkIdlError);
          }
        },
      ),
    );
  });
});
