import { bucketOf } from './key-order.ts';
import { isDict, type QmpDict, type QmpValue } from './value.ts';

/** A request whose outer members are in order. */
export interface Request {
  readonly command: string;
  readonly isOob: boolean;
  readonly args: QmpDict;
}

const NOTHING: QmpDict = new Map();

/** True for what is executed at once: it has `exec-oob` and nothing that contradicts it. */
export function isOobRequest(message: QmpValue): boolean {
  return isDict(message) && message.has('exec-oob') && !message.has('execute');
}

/**
 * Checks the outer members in the order in which QEMU's table of them has them, before anybody asks whether the command
 * exists. Returns the request, or what QEMU says to it.
 */
export function openEnvelope(message: QmpValue, allowsOob: boolean): Request | string {
  if (!isDict(message)) return 'QMP input must be a JSON object';
  let verb: string | undefined;
  for (const [name, value] of inQemuOrder(message)) {
    if (name === 'execute' || (name === 'exec-oob' && allowsOob)) {
      if (typeof value !== 'string') return `QMP input member '${name}' must be a string`;
      if (verb !== undefined) return `QMP input member '${name}' clashes with '${verb}'`;
      verb = name;
    } else if (name === 'arguments') {
      if (!isDict(value)) return "QMP input member 'arguments' must be an object";
    } else if (name !== 'id') return `QMP input member '${name}' is unexpected`;
  }
  if (verb === undefined) return "QMP input lacks member 'execute'";
  const args = message.get('arguments');
  return { command: message.get(verb) as string, isOob: verb === 'exec-oob', args: isDict(args) ? args : NOTHING };
}

function inQemuOrder(dict: QmpDict): readonly (readonly [name: string, value: QmpValue])[] {
  return [...dict].reverse().sort(([a], [b]) => bucketOf(a) - bucketOf(b));
}
