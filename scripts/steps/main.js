// @ts-check
import { StepError, say } from './run.js';

/**
 * Runs a script to its end: its number is the exit status; a failed step is one line on stderr and status 1.
 * @param {() => Promise<number>} script
 */
export async function endWith(script) {
  try {
    process.exitCode = await script();
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
