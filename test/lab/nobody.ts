import { type Run, virtstatUnder } from './cli.ts';

const LAUNCHER = ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup', '--clear-groups', '--'];

/** Why {@link asNobody} cannot do its work here; undefined where it can. */
export async function objectionToNobody(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'changing the user takes root';
  const { status } = await asNobody('--version');
  return status === 0 ? undefined : 'the user nobody may not read this checkout';
}

/** Runs the built program to its end as a user without any rights. */
export function asNobody(...args: readonly string[]): Promise<Run> {
  return virtstatUnder(LAUNCHER, ...args);
}
