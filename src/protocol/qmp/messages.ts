import { VirtstatError } from '../../model/errors.ts';
import { excerpt, type JsonObject, type JsonValue } from '../json/json.ts';
import { asArray, asObject, asSmallInteger, asString, invalidReply } from './shape.ts';

/** Which QEMU it is. */
export interface QemuVersion {
  readonly major: number;
  readonly minor: number;
  readonly micro: number;
  /** The distribution's own version, `''` where there is none. */
  readonly package: string;
}

/** What a monitor says when a client connects. */
export interface QmpGreeting {
  readonly version: QemuVersion;
  /** What may be enabled, `oob` for one. Open. */
  readonly capabilities: readonly string[];
}

/** Something that happened in QEMU. */
export interface QmpEvent {
  readonly name: string;
  /** `{}` where the event has none. */
  readonly data: JsonObject;
  /** When it happened, nanoseconds since 1970; -1n where QEMU could not tell. */
  readonly timeNs: bigint;
}

/** One message from QEMU. `id` is absent where the message has none. */
export type QmpMessage =
  | { readonly kind: 'greeting'; readonly greeting: QmpGreeting }
  | { readonly kind: 'return'; readonly id?: JsonValue; readonly value: JsonValue }
  | { readonly kind: 'error'; readonly id?: JsonValue; readonly className: string; readonly desc: string }
  | { readonly kind: 'event'; readonly event: QmpEvent };

/** QEMU answered a command with an error: QMP_COMMAND_FAILED with what QEMU said. */
export class QmpCommandError extends VirtstatError {
  /** QEMU's error class: `GenericError`, `CommandNotFound`, `DeviceNotActive`, `DeviceNotFound`, `KVMMissingCap`. Open. */
  readonly className: string;
  /** QEMU's own words, for people; they change from version to version. */
  readonly desc: string;

  constructor(command: string, className: string, desc: string) {
    super('QMP_COMMAND_FAILED', `QEMU refused ${command}: ${excerpt(desc, 200)} (${excerpt(className)})`);
    this.className = className;
    this.desc = desc;
  }
}

/**
 * Tells what a message is, by the member that only its kind has.
 * @throws QMP_REPLY_INVALID
 */
export function decodeMessage(json: JsonValue): QmpMessage {
  const message = asObject(json, 'a message');
  if (Object.hasOwn(message, 'return')) {
    return { kind: 'return', ...idOf(message), value: message['return'] as JsonValue };
  }
  if (Object.hasOwn(message, 'error')) return { kind: 'error', ...idOf(message), ...decodeError(message['error']) };
  if (Object.hasOwn(message, 'event')) return { kind: 'event', event: decodeEvent(message) };
  if (Object.hasOwn(message, 'QMP')) return { kind: 'greeting', greeting: decodeGreeting(message['QMP']) };
  throw invalidReply('a message', 'a greeting, a reply or an event');
}

function idOf(message: JsonObject): { id?: JsonValue } {
  return Object.hasOwn(message, 'id') ? { id: message['id'] as JsonValue } : {};
}

function decodeError(json: JsonValue | undefined): { readonly className: string; readonly desc: string } {
  const error = asObject(json, 'error');
  return { className: asString(error['class'], 'error.class'), desc: asString(error['desc'], 'error.desc') };
}

function decodeEvent(message: JsonObject): QmpEvent {
  const timestamp = asObject(message['timestamp'], 'timestamp');
  const seconds = asSmallInteger(timestamp['seconds'], 'timestamp.seconds');
  const micros = asSmallInteger(timestamp['microseconds'], 'timestamp.microseconds');
  return {
    name: asString(message['event'], 'event'),
    data: message['data'] === undefined ? {} : asObject(message['data'], 'data'),
    timeNs: seconds < 0 ? -1n : BigInt(seconds) * 1_000_000_000n + BigInt(micros) * 1000n,
  };
}

function decodeGreeting(json: JsonValue | undefined): QmpGreeting {
  const greeting = asObject(json, 'QMP');
  return {
    version: decodeVersion(greeting['version'], 'QMP.version'),
    // Capabilities of a later QEMU need not be strings: what is not one cannot be asked for.
    capabilities: asArray(greeting['capabilities'], 'QMP.capabilities').filter((item) => typeof item === 'string'),
  };
}

/**
 * `VersionInfo` of QEMU, as in the greeting and in `query-version`.
 * @throws QMP_REPLY_INVALID
 */
export function decodeVersion(json: JsonValue | undefined, where: string): QemuVersion {
  const version = asObject(json, where);
  const qemu = asObject(version['qemu'], `${where}.qemu`);
  return {
    major: asSmallInteger(qemu['major'], `${where}.qemu.major`),
    minor: asSmallInteger(qemu['minor'], `${where}.qemu.minor`),
    micro: asSmallInteger(qemu['micro'], `${where}.qemu.micro`),
    package: asString(version['package'], `${where}.package`),
  };
}
