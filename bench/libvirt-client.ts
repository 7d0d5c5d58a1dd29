import { LibvirtConnection } from '../src/source/libvirt/connection.ts';
import { whyNoLibvirt } from '../test/lab/libvirt.ts';
import { LibvirtDomains } from './libvirt-domains.ts';
import { cpuNsOf } from './process-cost.ts';
import { PythonLibvirt, whyNoPythonLibvirt } from './python-libvirt.ts';
import { type BenchResult, type BenchSkip, cpuNs, median } from './report.ts';

const DOMAINS = 20;
const NAME = `libvirt's client, ${DOMAINS} domains`;
const ROUNDS = 5;
/** Calls of a round, one behind the other. */
const CALLS = 10;

/** All statistics of 20 domains from a real libvirtd: CPU time of our client for it, against that of libvirt's own in Python. */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const reason = whyNoLibvirt() ?? whyNoPythonLibvirt();
  if (reason !== undefined) return [{ name: NAME, skipped: reason }];
  await using domains = await LibvirtDomains.start('lvclient', DOMAINS);
  const { readOnlyUri } = domains.lab;
  using python = new PythonLibvirt(readOnlyUri);
  await using connection = await LibvirtConnection.open(readOnlyUri);
  const ask = async (): Promise<void> => {
    const records = await connection.getAllDomainStats();
    if (records.length !== DOMAINS) throw new Error(`libvirt told of ${records.length} domains, not of ${DOMAINS}`);
  };
  const rounds: { readonly ours: number; readonly theirs: number }[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const ours = await msPerCall(ask, cpuNs);
    const theirs = await msPerCall(
      () => python.call(DOMAINS),
      () => cpuNsOf(python.pid),
    );
    // The first one warms both up.
    if (round > 0) rounds.push({ ours, theirs });
  }
  return [
    {
      name: NAME,
      rival: 'python3-libvirt',
      unit: 'ms CPU/call',
      ours: median(rounds.map((each) => each.ours)),
      theirs: median(rounds.map((each) => each.theirs)),
      ratio: median(rounds.map((each) => each.ours / each.theirs)),
      limit: 3,
    },
  ];
}

async function msPerCall(call: () => Promise<void>, cpu: () => number): Promise<number> {
  const startNs = cpu();
  for (let times = 0; times < CALLS; times++) await call();
  return (cpu() - startNs) / 1e6 / CALLS;
}
