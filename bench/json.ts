import { readFileSync } from 'node:fs';
import { parseJson } from '../src/protocol/json/json.ts';
import { decodeMessage } from '../src/protocol/qmp/messages.ts';
import { decodeStats, type StatsResult } from '../src/protocol/qmp/stats-reply.ts';
import { type BenchResult, median } from './report.ts';

/** Size of the reply, in bytes. */
const REPLY_BYTES = 200 * 1024;
const ROUNDS = 41;
const REPEATS = 10;
const LIMIT = 2.5;

/** A real reply of one vCPU. */
const CAPTURE: URL = new URL('../test/fixtures/qmp/qemu72-vcpu.txt', import.meta.url);

/** Counters of it that may be large on a host that has run for long. */
const LARGE = /("name":"(?:exits|insn_emulation|halt_wait_ns|halt_poll_success_ns)","value":)\d+/g;

/** Parsing a large reply of `query-stats` into typed values, exactly, against `JSON.parse` of the same text. */
export async function run(): Promise<readonly BenchResult[]> {
  return [
    measure('query-stats reply, small counters', '$1123456789'),
    measure('query-stats reply, u64 > 2^53', '$118446744073709551615'),
  ];
}

function measure(name: string, counters: string): BenchResult {
  const text = makeReply(counters);
  const rounds = Array.from({ length: ROUNDS }, () => ({
    ours: timeNs(() => parseReply(text)),
    theirs: timeNs(() => JSON.parse(text)),
  }));
  return {
    name,
    rival: 'JSON.parse (inexact)',
    unit: 'ns',
    ours: median(rounds.map((round) => round.ours)),
    theirs: median(rounds.map((round) => round.theirs)),
    ratio: median(rounds.map((round) => round.ours / round.theirs)),
    limit: LIMIT,
  };
}

/** What the client does with a reply once it is cut out of the stream. */
function parseReply(text: string): readonly StatsResult[] {
  const message = decodeMessage(parseJson(text));
  return message.kind === 'return' ? decodeStats(message.value) : [];
}

function makeReply(counters: string): string {
  const [vcpu] = JSON.parse(readFileSync(CAPTURE, 'utf8')).return;
  const results: string[] = [];
  for (let size = 0; size < REPLY_BYTES; size += results.at(-1)?.length ?? 0) {
    const path = `/machine/unattached/device[${results.length}]`;
    results.push(JSON.stringify({ ...vcpu, 'qom-path': path }).replace(LARGE, counters));
  }
  return `{"return":[${results.join(',')}],"id":1}`;
}

function timeNs(work: () => unknown): number {
  const startMs = performance.now();
  for (let repeat = 0; repeat < REPEATS; repeat++) work();
  return ((performance.now() - startMs) * 1e6) / REPEATS;
}
