import { joinWatchInterval } from './arguments.ts';
import { CommanderError } from './commander.ts';
import { EXIT, type ExitStatus, messageOf, statusOfError } from './exit.ts';
import { buildProgram } from './program.ts';
import { watchOutput } from './terminal.ts';

/** Runs one command line, without the program's name, and says with what status to exit. */
async function run(args: readonly string[]): Promise<ExitStatus> {
  let status: ExitStatus = EXIT.done;
  const program = buildProgram((outcome) => {
    status = outcome;
  }, args);
  try {
    await program.parseAsync(joinWatchInterval(args), { from: 'user' });
    return status;
  } catch (error) {
    // What commander has to say, it has said; help that was asked for is no error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    process.stderr.write(`virtstat: ${messageOf(error)}\n`);
    return statusOfError(error);
  }
}

// A diagnostic that nobody can read must not spoil the result.
process.stderr.on('error', () => undefined);
watchOutput();

/** Resolves when whoever reads has taken all that was written, or has gone away. */
function taken(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.writableLength === 0) resolve();
    else stream.write('', () => resolve());
  });
}

const status = run(process.argv.slice(2));
status.then(async (code) => {
  await Promise.all([taken(process.stdout), taken(process.stderr)]);
  // A failed write is reported a turn later; a descriptor that something still holds must not keep a finished command alive.
  setImmediate(() => process.exit(process.exitCode ?? code));
});
