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

/** A value that has been written once, to be sent often: whoever waits for it holds no bytes of its own. */
export class WrittenValue {
  /** As {@link writeValue} writes it. */
  readonly bytes: Buffer;

  constructor(value: QmpOutput) {
    this.bytes = bytesOf(writeValue(value));
  }
}

/** What is shorter is copied into its message: to send two pieces more costs as much. */
export const MIN_SHARED_BYTES = 4096;

/** Stands in a text where bytes that are there already are to be sent: no text of ours has it. */
const MARK = '\0';

/**
 * One message as QEMU puts it on the wire, with the line end, in pieces that must not be changed: a long {@link WrittenValue} is
 * a piece of its own, the same in all messages.
 */
export function writeMessage(message: QmpOutput): readonly Uint8Array[] {
  const shared: Buffer[] = [];
  const texts = `${writeValue(message, shared)}\r\n`.split(MARK);
  return texts.flatMap((text, index) => (index === 0 ? [bytesOf(text)] : [shared[index - 1]!, bytesOf(text)]));
}

/** Nothing but ASCII: the fastest encoding will do. */
function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/**
 * A value as QEMU writes it: members in the order of its hash, `": "` and `", "`, nothing but ASCII. Where `shared` is given it takes
 * long written values, for which a {@link MARK} stands in the text.
 */
export function writeValue(value: QmpOutput, shared?: Buffer[]): string {
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
      return writeCompound(value, shared);
  }
}

function writeCompound(value: Extract<QmpOutput, object | null>, shared: Buffer[] | undefined): string {
  if (value === null) return 'null';
  if (value instanceof WrittenValue) return writeWritten(value, shared);
  if (Array.isArray(value)) return writeList(value, shared);
  const members = isDict(value as QmpValue)
    ? membersOfDict(value as QmpDict)
    : membersOfObject(value as { readonly [name: string]: QmpOutput | undefined });
  return `{${members.map(([name, member]) => `${writeString(name)}: ${writeValue(member, shared)}`).join(', ')}}`;
}

function writeWritten({ bytes }: WrittenValue, shared: Buffer[] | undefined): string {
  if (shared === undefined || bytes.length < MIN_SHARED_BYTES) return bytes.toString('latin1');
  shared.push(bytes);
  return MARK;
}

function writeList(items: readonly QmpOutput[], shared: Buffer[] | undefined): string {
  let text = '[';
  for (let index = 0; index < items.length; index++) {
    const item = writeValue(items[index] as QmpOutput, shared);
    text += index === 0 ? item : `, ${item}`;
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
