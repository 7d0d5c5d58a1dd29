import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../../src/protocol/json/json.ts';
import type { VarlinkClient } from '../../src/protocol/varlink/client.ts';
import { defineInterface, type VarlinkInterface } from '../../src/protocol/varlink/interface.ts';
import { VarlinkError, type VarlinkParameters } from '../../src/protocol/varlink/messages.ts';
import { type StreamMethod, type VarlinkRequest, VarlinkService } from '../../src/protocol/varlink/service.ts';

/** The interface that implementations of varlink test each other with: what one call returns goes into the next. */
export const CERTIFICATION: VarlinkInterface = defineInterface(`interface org.varlink.certification

type Interface (
  foo: ?[]?[string](foo, bar, baz),
  anon: (foo: bool, bar: bool)
)

type MyType (
  object: object,
  enum: (one, two, three),
  struct: (first: int, second: string),
  array: []string,
  dictionary: [string]string,
  stringset: [string](),
  nullable: ?string,
  nullable_array_struct: ?[](first: int, second: string),
  interface: Interface
)

method Start() -> (client_id: string)

method Test01(client_id: string) -> (bool: bool)

method Test02(client_id: string, bool: bool) -> (int: int)

method Test03(client_id: string, int: int) -> (float: float)

method Test04(client_id: string, float: float) -> (string: string)

method Test05(client_id: string, string: string) -> (bool: bool, int: int, float: float, string: string)

method Test06(client_id: string, bool: bool, int: int, float: float, string: string) -> (
  struct: (bool: bool, int: int, float: float, string: string)
)

method Test07(
  client_id: string,
  struct: (bool: bool, int: int, float: float, string: string)
) -> (map: [string]string)

method Test08(client_id: string, map: [string]string) -> (set: [string]())

method Test09(client_id: string, set: [string]()) -> (mytype: MyType)

method Test10(client_id: string, mytype: MyType) -> (string: string)

method Test11(client_id: string, last_more_replies: []string) -> ()

method End(client_id: string) -> (all_ok: bool)

error ClientIdError ()

error CertificationError (wants: object, got: object)
`);

const FOUR = { bool: false, int: 2, float: Math.PI, string: 'a lot of string' };
const MAP = { foo: 'Foo', bar: 'Bar' };
const SET = { one: {}, two: {}, three: {} };
const MY_TYPE = {
  object: { method: 'org.varlink.certification.Test09', parameters: { map: MAP } },
  enum: 'two',
  struct: { first: 1, second: '2' },
  array: ['one', 'two', 'three'],
  dictionary: MAP,
  stringset: SET,
  interface: {
    foo: [null, { foo: 'foo', bar: 'bar' }, null, { one: 'foo', two: 'bar' }],
    anon: { foo: true, bar: false },
  },
};
const REPLIES: readonly string[] = Array.from({ length: 10 }, (_, index) => `Reply number ${index + 1}`);

/** What each call has to be given, and what it then returns; in the order in which they have to come. */
const STEPS: readonly (readonly [method: string, wants: VarlinkParameters, returns: VarlinkParameters])[] = [
  ['Test01', {}, { bool: true }],
  ['Test02', { bool: true }, { int: 1 }],
  ['Test03', { int: 1 }, { float: 1 }],
  ['Test04', { float: 1 }, { string: 'ping' }],
  ['Test05', { string: 'ping' }, FOUR],
  ['Test06', FOUR, { struct: FOUR }],
  ['Test07', { struct: FOUR }, { map: MAP }],
  ['Test08', { map: MAP }, { set: SET }],
  ['Test09', { set: SET }, { mytype: MY_TYPE }],
  ['Test10', { mytype: MY_TYPE }, {}],
  ['Test11', { last_more_replies: REPLIES }, {}],
  ['End', {}, { all_ok: true }],
];

/** The service's role: it notices every call that is not the next one, or not with what the one before returned. */
export function certifier(): VarlinkService {
  /** Of each client, how many steps it has taken. */
  const clients = new Map<string, number>();
  const start = async (): Promise<VarlinkParameters> => {
    const id = randomUUID();
    clients.set(id, 0);
    return { client_id: id };
  };
  const take = (index: number, { parameters }: VarlinkRequest): VarlinkParameters => {
    const [, wants, returns] = STEPS[index] as (typeof STEPS)[number];
    const { client_id: id, ...got } = withoutNull(parameters);
    if (clients.get(id as string) !== index) throw new VarlinkError('org.varlink.certification.ClientIdError');
    clients.set(id as string, index + 1);
    if (!isDeepStrictEqual(got, wants)) {
      // A call without reply cannot be told: the next one is.
      clients.delete(id as string);
      throw new VarlinkError('org.varlink.certification.CertificationError', { wants, got });
    }
    return returns;
  };
  const test10: StreamMethod = async function* (request) {
    take(9, request);
    for (const string of REPLIES.slice(0, -1)) yield { string };
    return { string: REPLIES.at(-1) };
  };
  const single = STEPS.map(
    ([method], index) => [method, async (request: VarlinkRequest) => take(index, request)] as const,
  ).filter(([method]) => method !== 'Test10');
  return new VarlinkService(
    { vendor: 'virtstat', product: 'certification', version: '1', url: 'https://varlink.org' },
    [
      {
        definition: CERTIFICATION,
        single: { Start: start, ...Object.fromEntries(single) },
        stream: { Test10: test10 },
      },
    ],
  );
}

/** A field that may be absent may also be null. */
function withoutNull(parameters: JsonObject): JsonObject {
  const { mytype } = parameters;
  if (typeof mytype !== 'object' || mytype === null) return parameters;
  return { ...parameters, mytype: Object.fromEntries(Object.entries(mytype).filter(([, value]) => value !== null)) };
}

/** How the client's role makes its calls: the replies to one. A call without reply has none. */
export type Caller = (
  method: string,
  parameters: VarlinkParameters,
  how: 'once' | 'more' | 'oneway',
) => Promise<readonly JsonObject[]>;

/** The client's role. Returns what `End` says: true where the service found nothing wrong. */
export async function certify(call: Caller): Promise<boolean> {
  const [{ client_id: id } = {}] = await call('Start', {}, 'once');
  let given: VarlinkParameters = {};
  for (const [method] of STEPS) {
    const how = method === 'Test10' ? 'more' : method === 'Test11' ? 'oneway' : 'once';
    const replies = await call(method, { client_id: id, ...given }, how);
    given =
      how === 'more' ? { last_more_replies: replies.map((reply) => reply['string'] as string) } : (replies[0] ?? {});
  }
  return given['all_ok'] === true;
}

/** Makes the calls with a client of ours. */
export function callerOf(client: VarlinkClient): Caller {
  return async (name, parameters, how) => {
    const method = `${CERTIFICATION.name}.${name}`;
    if (how === 'once') return [await client.call(method, parameters)];
    const replies: JsonObject[] = [];
    if (how === 'oneway') client.callOneway(method, parameters);
    else for await (const reply of client.callMore(method, parameters)) replies.push(reply);
    return replies;
  };
}
