import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtstatError } from '../../../model/errors.ts';
import { QmpCommandError } from '../messages.ts';
import { MAX_QUEUED, type QmpBackend, QmpServerSession } from './session.ts';

const VERSION = { major: 7, minor: 2, micro: 22, package: '' };
const NEGOTIATE = '{"execute":"qmp_capabilities"}';
const NEGOTIATE_OOB = '{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}';
const NEGOTIATED = '{"return": {}}';

/** Answers each command by its name; those for `held` only when they are let go. */
class Echo implements QmpBackend {
  readonly version = VERSION;
  readonly asked: string[] = [];
  readonly #gate: Promise<void> | undefined;

  constructor(gate?: Promise<void>) {
    this.#gate = gate;
  }

  async execute(command: string, args: object): Promise<string> {
    this.asked.push(command);
    await this.#gate;
    if (command === 'query-balloon') {
      throw new QmpCommandError(command, 'DeviceNotActive', 'No balloon device has been activated');
    }
    if (command === 'query-kvm') throw new VirtstatError('TIMEOUT', 'no answer');
    return `${command} ${JSON.stringify(args)}`;
  }
}

class Client {
  readonly session: QmpServerSession;
  text = '';
  hungers = 0;

  constructor(backend: QmpBackend) {
    this.session = new QmpServerSession({
      backend,
      maxTokenBytes: 4096,
      maxTokens: 512,
      send: (message) => (this.text += Buffer.concat(message).toString('latin1')),
      onHungry: () => this.hungers++,
    });
  }

  say(text: string): void {
    this.session.receive(Buffer.from(text, 'latin1'));
  }

  /** The answers, without the greeting. */
  get answers(): readonly string[] {
    return this.text.split('\r\n').slice(1, -1);
  }
}

/** Lets everything that waits for nothing happen. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a session', () => {
  it('greets, negotiates, and answers with the ids that it was given', async () => {
    const client = new Client(new Echo());
    client.say(`${NEGOTIATE}{"execute":"query-name","id":{"b":1,"a":[null]}}`);
    await settled();
    expect(client.text).toBe(
      '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}\r\n' +
        `${NEGOTIATED}\r\n{"return": "query-name {}", "id": {"a": [null], "b": 1}}\r\n`,
    );
  });

  it('passes on errors of QEMU as they are, and others as what they say', async () => {
    const client = new Client(new Echo());
    client.say(`${NEGOTIATE}{"execute":"query-balloon","id":1}{"execute":"query-kvm"}`);
    await settled();
    expect(client.answers.slice(1)).toEqual([
      '{"id": 1, "error": {"class": "DeviceNotActive", "desc": "No balloon device has been activated"}}',
      '{"error": {"class": "GenericError", "desc": "no answer"}}',
    ]);
  });

  it.each(['qom-set', 'stop', 'cont', 'device_add', 'quit', 'system_powerdown', 'migrate', '__proto__', 'constructor'])(
    'has no command %s',
    async (command) => {
      const backend = new Echo();
      const client = new Client(backend);
      client.say(`${NEGOTIATE}{"execute":"${command}","arguments":{"path":"/"}}`);
      await settled();
      expect(client.answers[1]).toBe(
        `{"error": {"class": "CommandNotFound", "desc": "The command ${command} has not been found"}}`,
      );
      expect(backend.asked).toEqual([]);
    },
  );

  it('tells of events only those who have negotiated', () => {
    const client = new Client(new Echo());
    client.session.notify({ name: 'STOP', timeNs: 1n });
    client.say(NEGOTIATE);
    client.session.notify({ name: 'STOP', timeNs: 1_700_000_000_123_456_789n });
    expect(client.answers).toEqual([
      NEGOTIATED,
      '{"timestamp": {"seconds": 1700000000, "microseconds": 123456}, "event": "STOP"}',
    ]);
  });

  it('sends nothing after its end', async () => {
    const gate = Promise.withResolvers<void>();
    const client = new Client(new Echo(gate.promise));
    client.say(`${NEGOTIATE}{"execute":"query-name"}`);
    client.session.end();
    gate.resolve();
    await settled();
    client.say('{"execute":"query-name"}');
    expect(client.answers).toEqual([NEGOTIATED]);
    expect(client.session.heldBytes).toBe(0);
  });
});

describe('requests that wait', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, id) => `{"execute":"query-name","id":${id}}`).join('');

  it('are read one at a time', async () => {
    const gate = Promise.withResolvers<void>();
    const backend = new Echo(gate.promise);
    const client = new Client(backend);
    client.say(NEGOTIATE + many(3));
    expect(client.session.isHungry).toBe(false);
    expect(backend.asked).toHaveLength(1);
    expect(client.session.heldBytes).toBeGreaterThan(0);
    gate.resolve();
    for (let turn = 0; turn < 5; turn++) await settled();
    expect(client.answers).toHaveLength(4);
    expect(client.session.isHungry).toBe(true);
    expect(client.session.isIdle).toBe(true);
    expect(client.hungers).toBeGreaterThan(0);
  });

  it('are bounded where they may be overtaken, and are overtaken only by exec-oob', async () => {
    const gate = Promise.withResolvers<void>();
    const client = new Client(new Echo(gate.promise));
    client.say(`${NEGOTIATE_OOB}${many(MAX_QUEUED)}{"exec-oob":"query-name","id":"oob"}`);
    expect(client.session.isHungry).toBe(true);
    expect(client.answers[1]).toBe(
      '{"id": "oob", "error": {"class": "GenericError", "desc": "The command query-name does not support OOB"}}',
    );
    client.say('{"execute":"query-uuid"}');
    expect(client.session.isHungry).toBe(false);
    client.say('{"exec-oob":"query-name"}{"execute":"query-uuid"}');
    expect(client.answers).toHaveLength(2);
    gate.resolve();
    for (let turn = 0; turn < 5; turn++) await settled();
    const ids = client.answers.slice(2).map((answer) => /"id": (\d+)/.exec(answer)?.[1] ?? '-');
    // The second exec-oob is read when there is room again: behind the first answer, and before all that still wait.
    expect(ids.join('')).toBe('0-1234567--');
  });

  it('wait for a client that does not read', async () => {
    const backend = new Echo();
    const client = new Client(backend);
    client.say(NEGOTIATE);
    client.session.setOutputOpen(false);
    client.say('{"execute":"query-name"}'.repeat(2));
    await settled();
    expect(backend.asked).toEqual([]);
    expect(client.session.isHungry).toBe(false);
    client.session.setOutputOpen(true);
    for (let turn = 0; turn < 5; turn++) await settled();
    expect(client.answers).toHaveLength(3);
  });
});

/** Requests of every kind, good and bad, and anything between them. */
const conversation = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        NEGOTIATE,
        NEGOTIATE_OOB,
        '{"execute":"query-name","id":1}',
        '{"execute":"query-stats","arguments":{"target":"vm"},"id":2}',
        '{"execute":"query-stats","arguments":{"target":"vcpu","vcpus":[1]}}',
        '{"execute":"query-balloon","id":[]}',
        '{"exec-oob":"query-name"}',
        '{"execute":"nope"}',
        '[1,2',
        '%',
        '\xff',
        '{"a":}',
        '1 ',
      ),
      fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)), maxLength: 8 }),
    ),
    { maxLength: 16 },
  )
  .map((parts) => parts.join(''));

describe('whatever a client sends', () => {
  it('is answered the same whole, byte by byte and at random cuts', async () => {
    await fc.assert(
      fc.asyncProperty(conversation, fc.array(fc.nat(300), { maxLength: 5 }), async (text, cuts) => {
        const whole = new Client(new Echo());
        whole.say(text);
        const single = new Client(new Echo());
        for (const byte of text) single.say(byte);
        const pieces = new Client(new Echo());
        const places = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
        for (let index = 1; index < places.length; index++) pieces.say(text.slice(places[index - 1], places[index]));
        for (let turn = 0; turn < 20; turn++) await settled();
        expect(sorted(single.answers)).toEqual(sorted(whole.answers));
        expect(sorted(pieces.answers)).toEqual(sorted(whole.answers));
        expect(whole.session.isIdle).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('is held within bounds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(conversation, { maxLength: 10 }), async (texts) => {
        const client = new Client(new Echo(new Promise(() => undefined)));
        client.say(NEGOTIATE);
        for (const text of texts) {
          // Whoever owns the connection does not read on while the session is not hungry.
          if (client.session.isHungry) client.say(text);
          expect(client.session.heldBytes).toBeLessThan(4096 + 512);
        }
      }),
      { numRuns: 50 },
    );
  });
});

/** What is refused out of band may overtake, sooner or later. */
function sorted(answers: readonly string[]): readonly string[] {
  return answers.toSorted();
}
