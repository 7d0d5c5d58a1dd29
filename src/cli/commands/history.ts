import { collect, parseBytes, parseEvery, parseLasting } from '../arguments.ts';
import type { AnyCommand } from '../commander.ts';
import { DOMAIN_HELP, examples, type Finish } from './description.ts';

/** Describes `record`. */
export function addRecord(program: AnyCommand, finish: Finish): void {
  program
    .command('record')
    .description('record stats over time, as Parquet')
    .argument('<stats...>', '[PROVIDER:][TARGET/]NAME each, or * in place of NAME for all')
    .requiredOption('-o, --output <path>', 'one file, where the name ends in .parquet, else a directory of segments')
    .option('--every <duration>', 'from one sweep to the next (default: 1s)', parseEvery)
    .option('--for <duration>', 'end after so long (default: when stopped, as with Ctrl-C)', parseLasting)
    .option('--domain <domain>', DOMAIN_HELP, collect)
    .option('--keep-age <duration>', 'in a directory: remove segments that are older, like 7d', parseLasting)
    .option('--keep-size <size>', 'in a directory: remove the oldest segments above this size, like 10GiB', parseBytes)
    .addHelpText(
      'after',
      examples(
        'virtstat record halt_poll_fail_ns --every 1s --for 10m -o r.parquet',
        "virtstat record 'vcpu/*' block:* --domain web-1 --keep-age 7d -o /var/lib/virtstat/web-1",
      ),
    )
    .action(async (stats, { for: lasting, every, output, domain, keepAge, keepSize }, command) => {
      const { record } = await import('../verbs/record.ts');
      finish(
        await record({
          ...command.optsWithGlobals(),
          stats,
          output,
          ...(every !== undefined && { everyMs: every }),
          ...(lasting !== undefined && { forMs: lasting }),
          ...(domain !== undefined && { domain }),
          ...((keepAge ?? keepSize) !== undefined && {
            retention: {
              ...(keepAge !== undefined && { ageMs: keepAge }),
              ...(keepSize !== undefined && { sizeBytes: keepSize }),
            },
          }),
        }),
      );
    });
}

/** Describes `plot`. */
export function addPlot(program: AnyCommand, finish: Finish): void {
  program
    .command('plot')
    .description(
      'draw stats over time: of a recording, of a source while it is read, or of a Prometheus-compatible server',
    )
    .argument('<from>', 'a recording, a source, or http://HOST:PORT; left out: the source is that of --connect')
    .argument('[stats...]', '[PROVIDER:][TARGET/]NAME each; of a server metrics or PromQL')
    .option('--domain <domain>', DOMAIN_HELP, collect)
    .option('--since <duration>', 'only the last of it (default: all of a recording, 1h of a server)', parseLasting)
    .option('--every <duration>', 'of a source: from one sweep to the next (default: 1s)', parseEvery)
    .option('--for <duration>', 'of a source: how long (default: until q on a terminal, else 30s)', parseLasting)
    .option('--each', 'a line for each vCPU or device (default for one domain)')
    .option('--sum', 'a line for each domain, what only grows summed (default for several)')
    .option('--svg <file>', 'as SVG, in place of the terminal')
    .option('--html <file>', 'as one HTML page, in place of the terminal')
    .addHelpText(
      'after',
      examples(
        'virtstat plot r.parquet halt_poll_fail_ns',
        'virtstat plot vcpu/exits vcpu/halt_wait_hist --domain web-1',
        'virtstat plot qmp+unix:/run/vm1.qmp kvm:vcpu/exits --for 1m --svg exits.svg',
        "virtstat plot http://localhost:9090 'kvm_vcpu_exits_total' --since 6h --html exits.html",
      ),
    )
    .action(async (from, stats, { for: lasting, every, since, domain, each, sum, svg, html }, command) => {
      const { plot } = await import('../verbs/plot.ts');
      const objects = sum ? 'sum' : each ? 'each' : undefined;
      finish(
        await plot({
          ...command.optsWithGlobals(),
          from,
          stats,
          ...(domain && { domain }),
          ...(since !== undefined && { sinceMs: since }),
          ...(every !== undefined && { intervalMs: every }),
          ...(lasting !== undefined && { durationMs: lasting }),
          ...(objects && { objects }),
          ...(svg !== undefined && { svg }),
          ...(html !== undefined && { html }),
        }),
      );
    });
}
