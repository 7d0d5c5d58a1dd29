import { QmpCommandError } from '../../protocol/qmp/messages.ts';

/** The answer, or undefined where QEMU refuses the question: an older QEMU does not have it, or it fails just now. */
export async function unlessRefused<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof QmpCommandError) return undefined;
    throw error;
  }
}
