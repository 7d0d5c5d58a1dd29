import fc from 'fast-check';
import { MAX_INTEGER_LENGTH, parseJson, stringifyJson } from '../../src/protocol/json/json.ts';
import { attempt, type FuzzTarget, must, mustEqual } from '../target.ts';
import { anyText, utf8 } from '../texts.ts';

/** The platform goes down this far with a function to look at each literal; what is deeper only has to be refused or not. */
const MAX_COMPARED_BRACKETS = 1000;

/** What the text means, told a second time: the platform hands out each number as it was written. */
function expected(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => {
    const literal = context?.source;
    if (typeof value !== 'number' || literal === undefined || !/^-?\d+$/.test(literal)) return value;
    return Number.isSafeInteger(value) ? value : BigInt(literal);
  });
}

function platformTakes(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function check(input: Uint8Array): string {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(input);
  const outcome = attempt(() => parseJson(text), ['JSON_INVALID']);
  const takes = platformTakes(text);
  if ('code' in outcome) {
    const isLong = new RegExp(`\\d{${MAX_INTEGER_LENGTH}}`).test(text);
    must(!takes || isLong, 'refuses what the platform takes');
    return `${outcome.code} ${isLong ? 'long' : ''}`;
  }
  must(takes, 'takes what the platform refuses');
  if (text.split(/[[{]/).length > MAX_COMPARED_BRACKETS) return 'deep';
  mustEqual(outcome.value, expected(text), 'a text is read as something else');
  const written = stringifyJson(outcome.value);
  mustEqual(stringifyJson(parseJson(written)), written, 'a value changes when it is written and read');
  return Array.isArray(outcome.value) ? `list of ${typeof outcome.value[0]}` : typeof outcome.value;
}

const integer = fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String);
const leaf = fc.oneof(
  integer,
  fc.json({ maxDepth: 0 }),
  anyText(12).map((text) => JSON.stringify(text)),
);
const member = fc
  .tuple(
    fc.string().map((name) => JSON.stringify(name)),
    leaf,
  )
  .map(([name, value]) => `${name}: ${value}`);
const text = fc.oneof(
  fc.json(),
  leaf,
  fc.array(leaf, { maxLength: 6 }).map((items) => `[${items.join(' ,')}]`),
  fc.array(member, { maxLength: 6 }).map((members) => `{${members.join(',')}}`),
);

/** The JSON parser that keeps every digit of an integer, against the platform's. */
export const json: FuzzTarget = {
  name: 'json',
  words: [
    ...['{', '}', '[', ']', ':', ',', '"', '\\"', '\\u0031', '\\', '{"a":', '[[', ']]', ' ', '-', '.5', 'e5', '0', '1'],
    ...['1234567890123456', '-9007199254740993', '"1234567890123456789"', '"__proto__":', '\x7f', ':1234567890123456,'],
  ],
  inputs: text.map(utf8),
  check,
};
