import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiskQueue, type LossReason, MIN_QUEUE_BYTES } from './disk-queue.ts';
import type { Batch } from './record.ts';

let directory: string;
let lost: [LossReason, number][];
let disk: (string | undefined)[];
const { signal } = new AbortController();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'virtstat-queue-'));
  [lost, disk] = [[], []];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function open(maxBytes = MIN_QUEUE_BYTES, at = directory): Promise<DiskQueue> {
  const listener = {
    onLost: (reason: LossReason, samples: number) => lost.push([reason, samples]),
    onDisk: (reason: string | undefined) => disk.push(reason),
  };
  return DiskQueue.open({ directory: at, maxBytes, listener });
}

function batch(text: string, samples = 1): Batch {
  return { body: Buffer.from(text), samples };
}

async function drain(queue: DiskQueue): Promise<string[]> {
  const texts: string[] = [];
  while (queue.state.batches > 0) {
    const { body, sequence } = await queue.next(signal);
    texts.push(Buffer.from(body).toString());
    await queue.acknowledge(sequence);
  }
  return texts;
}

function segments(): string[] {
  return readdirSync(directory).filter((name) => name.endsWith('.segment'));
}

describe('a queue', () => {
  it('gives the oldest batch until it is acknowledged, also to the next process', async () => {
    const first = await open();
    await first.append([batch('a', 2), batch('b'), batch('c')]);
    expect(first.state).toMatchObject({ batches: 3, samples: 4 });
    const { sequence } = await first.next(signal);
    expect((await first.next(signal)).sequence).toBe(sequence);
    await first.acknowledge(sequence);
    await first.close();

    const second = await open();
    expect(second.state).toMatchObject({ batches: 2, samples: 2 });
    await second.append([batch('d')]);
    expect(await drain(second)).toEqual(['b', 'c', 'd']);
    await second.close();
    const third = await open();
    expect(third.state).toEqual({ batches: 0, samples: 0, bytes: 0 });
    await third.append([batch('e')]);
    expect(await drain(third)).toEqual(['e']);
    await third.close();
  });

  it('wakes who waits for a batch, and ends the wait with its signal', async () => {
    const queue = await open();
    const waiting = queue.next(signal);
    await queue.append([batch('a')]);
    await queue.acknowledge((await waiting).sequence);
    const controller = new AbortController();
    const ended = queue.next(controller.signal);
    controller.abort(new Error('enough'));
    await expect(ended).rejects.toThrow('enough');
    await queue.close();
  });

  it('belongs to one process', async () => {
    const queue = await open();
    await expect(open()).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
    await queue.close();
  });

  it('gives up its oldest batches where it is full, and stays below its bound', async () => {
    const queue = await open();
    const body = 'x'.repeat(50_000);
    for (let index = 0; index < 60; index++) await queue.append([batch(`${index} ${body}`)]);
    const used = segments().reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
    expect(used).toBeLessThanOrEqual(MIN_QUEUE_BYTES);
    const kept = (await drain(queue)).map((text) => Number(text.split(' ')[0]));
    expect(kept.at(-1)).toBe(59);
    expect(kept.length + lost.length).toBe(60);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => 60 - kept.length + index));
    expect(new Set(lost.map(([reason]) => reason))).toEqual(new Set(['full']));
    await queue.append([{ body: new Uint8Array(MIN_QUEUE_BYTES), samples: 9 }]);
    expect(lost.at(-1)).toEqual(['full', 9]);
    await queue.close();
  });

  it('is cut at the first record that was not written to its end, wherever that is', async () => {
    const writer = await open();
    await writer.append([batch('first'), batch('second')]);
    await writer.close();
    const [name = ''] = segments();
    const whole = readFileSync(join(directory, name));
    for (let size = whole.length - 1; size >= whole.length / 2; size--) {
      writeFileSync(join(directory, name), whole);
      truncateSync(join(directory, name), size);
      const queue = await open();
      const { body } = await queue.next(signal);
      expect(Buffer.from(body).toString()).toBe('first');
      expect(queue.state.batches).toBe(1);
      await queue.close();
    }
  });

  it('believes no record whose bytes are others than were written', async () => {
    const writer = await open();
    await writer.append([batch('first'), batch('second')]);
    const [name = ''] = segments();
    const whole = readFileSync(join(directory, name));
    whole[26] = 0;
    writeFileSync(join(directory, name), whole);
    expect(await drain(writer)).toEqual(['second']);
    expect(lost).toEqual([['damaged', 1]]);
    await writer.close();
  });

  it('knows what was acknowledged although the last note of it is damaged', async () => {
    const queue = await open();
    await queue.append([batch('a'), batch('b'), batch('c')]);
    for (let nth = 0; nth < 2; nth++) await queue.acknowledge((await queue.next(signal)).sequence);
    await queue.close();
    const file = join(directory, 'acknowledged');
    const bytes = readFileSync(file);
    const last = bytes.readBigUInt64LE(8) > bytes.readBigUInt64LE(24) ? 8 : 24;
    bytes[last] = 99;
    writeFileSync(file, bytes);
    const again = await open();
    expect(await drain(again)).toEqual(['b', 'c']);
    await again.close();
  });

  it('loses nothing that was appended where its process is killed', async () => {
    const code = `
      import { DiskQueue } from ${JSON.stringify(join(import.meta.dirname, 'disk-queue.ts'))};
      const queue = await DiskQueue.open({ directory: ${JSON.stringify(directory)}, maxBytes: 1 << 24,
        listener: { onLost() {}, onDisk() {} } });
      for (let n = 0; ; n++) { await queue.append([{ body: Buffer.from(String(n)), samples: 1 }]); console.log(n); }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.split('\n').length > 20) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const acknowledged = said.split('\n').slice(0, -1).map(Number);
    const queue = await open(1 << 24);
    const found = (await drain(queue)).map(Number);
    expect(found.slice(0, acknowledged.length)).toEqual(acknowledged);
    expect(found.length).toBeLessThanOrEqual(acknowledged.length + 2);
    await queue.close();
  });
});
