import { describe, expect, it } from 'vitest';
import { VirtstatError } from '../../model/errors.ts';
import { ReplyQueue } from './reply-queue.ts';

const reply = (value: number): { parameters: { value: number }; continues: true } => ({
  parameters: { value },
  continues: true,
});

describe('replies that wait', () => {
  it('are given out in order, and the failure behind them', async () => {
    const queue = new ReplyQueue('a.b.C');
    queue.push(reply(1), 10);
    queue.push(reply(2), 10);
    queue.fail(new VirtstatError('CONNECTION_LOST', 'gone'));
    queue.push(reply(3), 10);
    expect([await queue.next(), await queue.next()]).toEqual([reply(1), reply(2)]);
    await expect(queue.next()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('may be waited for', async () => {
    const queue = new ReplyQueue('a.b.C');
    const next = queue.next();
    queue.push(reply(1), 10);
    expect(await next).toEqual(reply(1));
  });

  it('are bounded, and what was read does not count', async () => {
    const queue = new ReplyQueue('a.b.C', 100);
    queue.push(reply(1), 60);
    await queue.next();
    queue.push(reply(2), 60);
    queue.push(reply(3), 40);
    queue.push(reply(4), 1);
    expect([await queue.next(), await queue.next()]).toEqual([reply(2), reply(3)]);
    await expect(queue.next()).rejects.toMatchObject({ code: 'QUEUE_FULL' });
  });
});
