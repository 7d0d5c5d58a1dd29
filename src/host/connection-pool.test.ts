import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ConnectionLimits, ConnectionPool } from './connection-pool.ts';

/** A connection that remembers what became of it. */
class Line {
  spoken = false;
  closed = false;
  end: (() => void) | undefined;

  hasSpoken(): boolean {
    return this.spoken;
  }

  close(): void {
    this.closed = true;
  }
}

function poolOf(limits: ConnectionLimits) {
  const crowded: string[] = [];
  const pool = new ConnectionPool<string>(limits, (peer) => crowded.push(peer));
  const open = (peer: string, spoken = false): Line | undefined => {
    const line = new Line();
    line.spoken = spoken;
    line.end = pool.take(peer, line);
    return line.end && line;
  };
  return { pool, crowded, open };
}

describe('a pool of connections', () => {
  it('has as many of one peer as it may, and closes its oldest silent one for one more', () => {
    const { pool, crowded, open } = poolOf({ maxConnectionsPerPeer: 3, maxConnections: 100 });
    const lines = [open('a', true), open('a'), open('a')];
    expect([pool.size, crowded]).toEqual([3, []]);
    const other = open('b');
    expect(open('a')).toBeDefined();
    expect(lines.map((line) => line?.closed)).toEqual([false, true, false]);
    expect([other?.closed, pool.size, crowded]).toEqual([false, 4, ['a']]);
  });

  it('takes no more of a peer whose connections have all spoken', () => {
    const { pool, crowded, open } = poolOf({ maxConnectionsPerPeer: 2, maxConnections: 100 });
    const lines = [open('a', true), open('a')];
    (lines[1] as Line).spoken = true;
    expect(open('a')).toBeUndefined();
    expect([pool.size, crowded, lines.some((line) => line?.closed)]).toEqual([2, ['a'], false]);
    lines[0]?.end?.();
    lines[0]?.end?.();
    expect(open('a')).toBeDefined();
    expect(pool.size).toBe(2);
  });

  it('lets the peer with the most make room for others where all places are taken', () => {
    const { pool, crowded, open } = poolOf({ maxConnectionsPerPeer: 10, maxConnections: 5 });
    const many = [open('a'), open('a'), open('a')];
    const few = [open('b'), open('b')];
    expect(open('c')).toBeDefined();
    expect(many.map((line) => line?.closed)).toEqual([true, false, false]);
    expect(few.some((line) => line?.closed)).toBe(false);
    expect([pool.size, crowded]).toEqual([5, ['a']]);
  });

  it('closes nobody of those who have fewer than the new one', () => {
    const { open } = poolOf({ maxConnectionsPerPeer: 10, maxConnections: 4 });
    const greedy = [open('a', true), open('a', true), open('a', true)];
    const modest = open('b');
    expect(open('a')).toBeUndefined();
    expect([...greedy, modest].some((line) => line?.closed)).toBe(false);
    expect(open('b')).toBeDefined();
    expect(modest?.closed).toBe(true);
  });

  it('never has more than it may, and counts right, whoever comes, speaks and goes', () => {
    const step = fc.record({ peer: fc.constantFrom('a', 'b', 'c'), what: fc.constantFrom('open', 'speak', 'end') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { pool, open } = poolOf({ maxConnectionsPerPeer: 3, maxConnections: 5 });
        let lines: { readonly peer: string; readonly line: Line }[] = [];
        for (const { peer, what } of steps) {
          const own = lines.find((each) => each.peer === peer);
          const line = what === 'open' ? open(peer) : undefined;
          if (line !== undefined) lines.push({ peer, line });
          if (what === 'speak' && own !== undefined) own.line.spoken = true;
          if (what === 'end' && own !== undefined) {
            own.line.end?.();
            own.line.closed = true;
          }
          lines = lines.filter((each) => !each.line.closed);
          expect(pool.size).toBe(lines.length);
          expect(lines.length).toBeLessThanOrEqual(5);
          expect(lines.filter((each) => each.peer === peer).length).toBeLessThanOrEqual(3);
        }
        pool.closeAll();
        expect(lines.every((each) => each.line.closed)).toBe(true);
      }),
    );
  });
});
