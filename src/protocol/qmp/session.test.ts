import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtstatError } from '../../model/errors.ts';
import { stringifyJson } from '../json/json.ts';
import type { QmpEvent } from './messages.ts';
import { QmpSession, type QmpSessionOptions } from './session.ts';

const GREETING = {
  QMP: { version: { qemu: { micro: 22, minor: 2, major: 7 }, package: '' }, capabilities: ['oob'] },
};

/** A session with what it sent, one array of lines for each time that it sent. */
function start(options: Partial<QmpSessionOptions> = {}) {
  const sent: Record<string, unknown>[][] = [];
  const session = new QmpSession({
    send: (bytes) => {
      const lines = new TextDecoder().decode(bytes).trimEnd().split('\n');
      sent.push(lines.map((line) => JSON.parse(line)));
    },
    ...options,
  });
  const say = (message: Parameters<typeof stringifyJson>[0]): void =>
    session.receive(new TextEncoder().encode(`${stringifyJson(message)}\r\n`));
  return { session, sent, say };
}

/** Greets and negotiates; ids of later requests begin with 2. */
function startRunning(options: Partial<QmpSessionOptions> = {}) {
  const started = start(options);
  started.say(GREETING);
  started.say({ return: {}, id: 1 });
  return started;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('QmpSession', () => {
  it('sends nothing before the greeting, then the negotiation and what was asked in one piece', async () => {
    const { session, sent, say } = start();
    const status = session.execute('query-status');
    const name = session.execute('query-name', {});
    await turn();
    expect(session.state).toBe('greeting');
    expect(sent).toEqual([]);
    say(GREETING);
    await turn();
    expect(session.state).toBe('negotiating');
    expect(sent).toEqual([
      [
        { execute: 'qmp_capabilities', id: 3 },
        { execute: 'query-status', id: 1 },
        { execute: 'query-name', arguments: {}, id: 2 },
      ],
    ]);
    say({ return: {}, id: 3 });
    expect(session.state).toBe('running');
    say({ return: 'two', id: 2 });
    say({ return: 'one', id: 1 });
    expect(await Promise.all([status, name])).toEqual(['one', 'two']);
    expect((await session.greeting).version.major).toBe(7);
    expect(session.pendingCount).toBe(0);
  });

  it('enables oob where it is asked for and offered', async () => {
    const { session, sent, say } = startRunning({ oob: true });
    const first = session.execute('query-stats', { target: 'vm' });
    const second = session.executeOob('query-yank');
    await turn();
    expect(sent.flat().map(({ id, ...request }) => request)).toEqual([
      { execute: 'qmp_capabilities', arguments: { enable: ['oob'] } },
      { execute: 'query-stats', arguments: { target: 'vm' } },
      { 'exec-oob': 'query-yank' },
    ]);
    say({ return: [], id: 3 });
    say({ return: [1], id: 2 });
    expect([await second, await first]).toEqual([[], [1]]);
  });

  it('refuses to execute out of band where oob is not enabled', async () => {
    const { session } = startRunning();
    await expect(session.executeOob('query-yank')).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('gives an error of QEMU to the request that it answers', async () => {
    const { session, say } = startRunning();
    const wrong = session.execute('nope');
    const right = session.execute('query-status');
    say({ id: 2, error: { class: 'CommandNotFound', desc: 'The command nope\nhas not been found' } });
    say({ return: {}, id: 3 });
    await expect(wrong).rejects.toMatchObject({
      code: 'QMP_COMMAND_FAILED',
      className: 'CommandNotFound',
      desc: 'The command nope\nhas not been found',
      message: 'QEMU refused nope: The command nope has not been found (CommandNotFound)',
    });
    await expect(right).resolves.toEqual({});
  });

  it('gives an error without an id to the oldest request', async () => {
    const { session, say } = startRunning();
    const first = session.execute('a');
    const second = session.execute('b');
    say({ error: { class: 'GenericError', desc: 'JSON parse error, expecting value' } });
    say({ return: 2, id: 3 });
    await expect(first).rejects.toMatchObject({ code: 'QMP_COMMAND_FAILED' });
    await expect(second).resolves.toBe(2);
  });

  it('drops answers that nobody waits for', async () => {
    const { session, say } = startRunning();
    const answer = session.execute('a');
    for (const id of [1, 99, '2', null, [2], { a: 2 }]) say({ return: 'wrong', id });
    say({ return: 'nobody asked' });
    say({ return: 'right', id: 2 });
    await expect(answer).resolves.toBe('right');
  });

  it('hears events between an answer and the next', async () => {
    const events: QmpEvent[] = [];
    const { session, say } = startRunning({ onEvent: (event) => events.push(event) });
    const answer = session.execute('cont');
    say({ timestamp: { seconds: 1_700_000_000, microseconds: 5 }, event: 'RESUME' });
    say({ return: {}, id: 2 });
    say({ timestamp: { seconds: -1, microseconds: -1 }, event: 'STOP', data: { why: 'x' } });
    await answer;
    expect(events).toEqual([
      { name: 'RESUME', data: {}, timeNs: 1_700_000_000_000_005_000n },
      { name: 'STOP', data: { why: 'x' }, timeNs: -1n },
    ]);
  });

  it('drops the late answer to a request that was given up, and counts it until then', async () => {
    const { session, say } = startRunning();
    const controller = new AbortController();
    const answer = session.execute('a', undefined, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(answer).rejects.toMatchObject({ code: 'CANCELLED', cause: { message: 'enough' } });
    expect(session.pendingCount).toBe(1);
    say({ return: {}, id: 2 });
    expect(session.pendingCount).toBe(0);
    await expect(session.execute('b', undefined, { signal: controller.signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });

  it('takes as many requests as the bound allows, and not one more', async () => {
    const { session, say } = startRunning({ maxPending: 3 });
    const answers = [session.execute('a'), session.execute('b'), session.execute('c')];
    await expect(session.execute('d')).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    say({ return: 0, id: 2 });
    const later = session.execute('e');
    for (const id of [3, 4, 5]) say({ return: 0, id });
    expect(await Promise.all([...answers, later])).toEqual([0, 0, 0, 0]);
  });

  it('fails everything that waits when it ends, and everything later', async () => {
    const { session, sent, say } = startRunning();
    const answer = session.execute('a');
    session.end(new VirtstatError('CONNECTION_LOST', 'gone'));
    session.end(new VirtstatError('CLOSED', 'too late to say'));
    await expect(answer).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await expect(session.execute('b')).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    say({ return: {}, id: 2 });
    await turn();
    expect(sent.flat()).toHaveLength(0);
  });

  it.each(['HTTP/1.1 400 Bad Request\r\n', '{"return": {}}\n', '[1]\n', '\xff', '220 mail.example ESMTP\r\n'])(
    'ends where the peer begins with %j',
    async (text) => {
      const { session, sent } = start();
      const answer = session.execute('a');
      session.receive(new TextEncoder().encode(text));
      await expect(session.greeting).rejects.toMatchObject({ code: 'MONITOR_NOT_QMP' });
      await expect(answer).rejects.toMatchObject({ code: 'MONITOR_NOT_QMP' });
      expect(session.state).toBe('ended');
      expect(sent).toEqual([]);
    },
  );

  it('ends where the negotiation is refused', async () => {
    const { session, say } = start();
    const answer = session.execute('a');
    say(GREETING);
    say({ id: 2, error: { class: 'GenericError', desc: 'no' } });
    await expect(answer).rejects.toMatchObject({ code: 'QMP_COMMAND_FAILED' });
    expect(session.state).toBe('ended');
  });

  it.each([
    ['oops\n', 'JSON_INVALID'],
    ['{"return": [}, "id": 2}\n', 'JSON_INVALID'],
    ['{"return": 1, "id": 2} {]\n', 'JSON_INVALID'],
    ['17\n', 'QMP_REPLY_INVALID'],
    [`${'['.repeat(101)}\n`, 'NESTING_TOO_DEEP'],
    [`${' '.repeat(10)}"${'x'.repeat(1001)}\n`, 'FRAME_TOO_LARGE'],
    [
      '{"QMP": {"version": {"qemu": {"micro":0,"minor":0,"major":9},"package":""},"capabilities":[]}}\n',
      'QMP_REPLY_INVALID',
    ],
  ])('fails what waits on %s, and goes on behind the line', async (garbage, code) => {
    const { session, say } = startRunning({ maxFrameBytes: 1000, maxDepth: 100 });
    const answers = [session.execute('a'), session.execute('b')];
    const failed = Promise.allSettled(answers);
    session.receive(new TextEncoder().encode(garbage));
    const last = (await failed).at(-1);
    expect(last).toMatchObject({ status: 'rejected', reason: { code } });
    const next = session.execute('c');
    say({ return: 'well', id: 4 });
    await expect(next).resolves.toBe('well');
  });

  it('understands the same however the bytes are cut', async () => {
    const conversation = new TextEncoder().encode(
      [
        GREETING,
        { return: {}, id: 4 },
        { timestamp: { seconds: 1, microseconds: 2 }, event: 'STOP', data: { text: '}"\\{' } },
        { return: [{ value: 18446744073709551615n }], id: 2 },
        { return: 'ä', id: 1 },
        { id: 3, error: { class: 'GenericError', desc: 'x' } },
      ]
        .map((message) => `${stringifyJson(message)}\r\n`)
        .join(''),
    );
    const run = async (cuts: readonly number[]): Promise<unknown> => {
      const events: QmpEvent[] = [];
      const { session } = start({ onEvent: (event) => events.push(event) });
      const answers = Promise.allSettled(['a', 'b', 'c'].map((command) => session.execute(command)));
      let from = 0;
      for (const to of [...cuts, conversation.length]) {
        session.receive(conversation.slice(from, to));
        from = to;
      }
      return [events, await answers];
    };
    const whole = await run([]);
    expect(whole).toMatchObject([
      [{ name: 'STOP' }],
      [{ value: 'ä' }, { value: [{ value: 18446744073709551615n }] }, { reason: { code: 'QMP_COMMAND_FAILED' } }],
    ]);
    expect(await run(Array.from(conversation.keys()))).toEqual(whole);
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(conversation.length)), async (cuts) => {
        expect(await run(cuts.sort((a, b) => a - b))).toEqual(whole);
      }),
    );
  });
});
