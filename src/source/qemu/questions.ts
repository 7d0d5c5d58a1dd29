/**
 * The commands of QEMU that may be passed on for somebody else. Each only reads, whatever its arguments are; `qom-get` reads
 * any property, so that whoever passes it on decides which ones.
 */
const RELAYED_QUESTIONS: ReadonlySet<string> = new Set([
  'query-balloon',
  'query-block',
  'query-blockstats',
  'query-commands',
  'query-cpus-fast',
  'query-iothreads',
  'query-kvm',
  'query-name',
  'query-qmp-schema',
  'query-status',
  'query-uuid',
  'query-version',
  'qom-get',
  'qom-list',
]);

/** True for a command that may be passed on. */
export function isRelayedQuestion(command: string): boolean {
  return RELAYED_QUESTIONS.has(command);
}
