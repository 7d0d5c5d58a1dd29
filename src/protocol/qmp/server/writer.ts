import { doubleText } from './double-text.ts';
import { bucketOf } from './key-order.ts';
import { isDict, type QmpDict, type QmpValue } from './value.ts';

/**
 * What can be written: a value that was read, or one of ours, whose objects are plain. Members of a plain object that share
 * a bucket of QEMU's hash keep the order that they have: what QEMU wrote is written as QEMU wrote it.
 */
export type QmpOutput =
  | QmpValue
  | WrittenValue
  | readonly QmpOutput[]
  | { readonly [name: string]: QmpOutput | undefined };

/** A value that has been written once, to be sent often. */
export class WrittenValue {
  /** As {@link writeValue} writes it. */
  readonly text: string;

  constructor(value: QmpOutput) {
    this.text = writeValue(value);
  }
}

/** One message as QEMU puts it on the wire, with the line end. */
export function writeMessage(message: QmpOutput): Uint8Array {
  // Nothing but ASCII: the fastest encoding will do.
  return Buffer.from(`${writeValue(message)}\r\n`, 'latin1');
}

/** A value as QEMU writes it: members in the order of its hash, `": "` and `", "`, nothing but ASCII. */
export function writeValue(value: QmpOutput): string {
  switch (typeof value) {
    case 'string':
      return writeString(value);
    case 'bigint':
      return value.toString();
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : doubleText(value);
    case 'boolean':
      return value ? 'true' : 'false';
    default:
      return writeCompound(value);
  }
}

function writeCompound(value: Extract<QmpOutput, object | null>): string {
  if (value === null) return 'null';
  if (value instanceof WrittenValue) return value.text;
  if (Array.isArray(value)) return writeList(value);
  const members = isDict(value as QmpValue)
    ? membersOfDict(value as QmpDict)
    : membersOfObject(value as { readonly [name: string]: QmpOutput | undefined });
  return `{${members.map(([name, member]) => `${writeString(name)}: ${writeValue(member)}`).join(', ')}}`;
}

function writeList(items: readonly QmpOutput[]): string {
  let text = '[';
  for (let index = 0; index < items.length; index++) {
    text += index === 0 ? writeValue(items[index] as QmpOutput) : `, ${writeValue(items[index] as QmpOutput)}`;
  }
  return `${text}]`;
}

type Member = readonly [name: string, value: QmpOutput];

/** The newest first, then a sort that keeps the order of equals. */
function membersOfDict(dict: QmpDict): readonly Member[] {
  return [...dict].reverse().sort(byBucket);
}

function membersOfObject(object: { readonly [name: string]: QmpOutput | undefined }): readonly Member[] {
  const members: Member[] = [];
  for (const name of Object.keys(object)) {
    const value = object[name];
    if (value !== undefined) members.push([name, value]);
  }
  return members.sort(byBucket);
}

function byBucket([a]: Member, [b]: Member): number {
  return bucketOf(a) - bucketOf(b);
}

const PLAIN = /^[ !#-[\]-~]*$/;
const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

/** Every UTF-16 unit outside of printable ASCII as `\uXXXX` in capitals, which makes surrogate pairs of what is beyond it. */
function writeString(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  const escaped = text
    .toWellFormed()
    .replace(
      /[^ !#-[\]-~]/g,
      (unit) => SHORT[unit] ?? `\\u${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`,
    );
  return `"${escaped}"`;
}
