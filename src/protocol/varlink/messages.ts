import { VirtstatError } from '../../model/errors.ts';
import { excerpt, type JsonInput, type JsonObject, type JsonValue, stringifyJson } from '../json/json.ts';

/**
 * The two messages of varlink.
 *
 * | call         |         | reply        |         |
 * | ------------ | ------- | ------------ | ------- |
 * | `method`     | string  | `parameters` | ?object |
 * | `parameters` | ?object | `continues`  | ?bool   |
 * | `oneway`     | ?bool   | `error`      | ?string |
 * | `more`       | ?bool   |              |         |
 * | `upgrade`    | ?bool   |              |         |
 *
 * Spec: https://varlink.org/Method-Call. Members that are not in the table are ignored, as it allows extensions.
 */

/** What a method takes, what it gives, and what an error says. */
export type VarlinkParameters = { readonly [name: string]: JsonInput | undefined };

/** What a client asks for. */
export interface VarlinkCall {
  /** With the name of its interface: `org.varlink.service.GetInfo`. */
  readonly method: string;
  readonly parameters: JsonObject;
  /** The service must not reply. */
  readonly isOneway: boolean;
  /** The service may reply more than once. */
  readonly wantsMore: boolean;
  /** The connection would be another protocol's after the reply. */
  readonly wantsUpgrade: boolean;
}

/** What a service replies. */
export interface VarlinkReply {
  readonly parameters: JsonObject;
  /** More replies to the same call follow. */
  readonly continues: boolean;
  /** With the name of its interface; absent where the call succeeded. */
  readonly error?: string;
}

/** Longest piece of a service's words in a message, in characters. */
const MAX_SAID = 200;

/**
 * A call that a service answers with an error: VARLINK_CALL_FAILED with what the service says. A method of a service throws
 * it, and the client's call rejects with it.
 */
export class VarlinkError extends VirtstatError {
  /** With the name of its interface: `org.varlink.service.MethodNotFound`. */
  readonly errorName: string;
  readonly parameters: VarlinkParameters;

  constructor(errorName: string, parameters: VarlinkParameters = {}, options?: ErrorOptions) {
    const said = excerpt(stringifyJson(parameters), MAX_SAID);
    super('VARLINK_CALL_FAILED', `a varlink service answered ${excerpt(errorName)} ${said}`, options);
    this.errorName = errorName;
    this.parameters = parameters;
  }
}

/** @throws VARLINK_MESSAGE_INVALID */
export function decodeCall(json: JsonValue): VarlinkCall {
  const message = asObject(json, 'a call');
  const { method } = message;
  if (typeof method !== 'string') throw invalid('the method of a call', 'a string');
  return {
    method,
    parameters: parametersOf(message),
    isOneway: flagOf(message, 'oneway'),
    wantsMore: flagOf(message, 'more'),
    wantsUpgrade: flagOf(message, 'upgrade'),
  };
}

/** @throws VARLINK_MESSAGE_INVALID */
export function decodeReply(json: JsonValue): VarlinkReply {
  const message = asObject(json, 'a reply');
  const error = message['error'] ?? undefined;
  if (error !== undefined && typeof error !== 'string') throw invalid('the error of a reply', 'a string');
  return {
    parameters: parametersOf(message),
    continues: flagOf(message, 'continues'),
    ...(error !== undefined && { error }),
  };
}

/** The error for a message that is not what it should be. */
export function invalid(what: string, expected: string): VirtstatError {
  return new VirtstatError(
    'VARLINK_MESSAGE_INVALID',
    `a varlink peer is not understood: ${what} should be ${expected}`,
  );
}

function parametersOf(message: JsonObject): JsonObject {
  const parameters = message['parameters'] ?? undefined;
  return parameters === undefined ? {} : asObject(parameters, 'parameters');
}

function flagOf(message: JsonObject, name: string): boolean {
  const flag = message[name] ?? false;
  if (typeof flag !== 'boolean') throw invalid(name, 'true or false');
  return flag;
}

function asObject(value: JsonValue, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(what, 'an object');
  return value;
}
