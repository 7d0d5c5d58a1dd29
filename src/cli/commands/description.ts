import type { ExitStatus } from '../exit.ts';

/** Told how a verb ended. */
export type Finish = (status: ExitStatus) => void;

/** Help of `--domain` wherever it may be repeated. */
export const DOMAIN_HELP = 'only this domain, by name, uuid or process id; may be repeated';

/** Help of `--json`. */
export const JSON_HELP = 'print one JSON document and nothing else';

/** What stands below a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
}
