import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';
import { type ByteStream, MAX_UNSENT_BYTES, type StreamListener } from './stream.ts';

/** How much of what a program last said on its standard error is kept, in characters. */
const MAX_LAST_WORDS = 4096;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * Starts a program and takes its standard input and output for a connection, which ends with the program and the program with
 * it. Were this process killed, the end of its input would end the program.
 * @throws PATH_NOT_FOUND, ACCESS_DENIED, CONNECT_FAILED where it cannot be started; CANCELLED
 */
export function spawnStream(program: string, args: readonly string[], signal: AbortSignal): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    child.once('spawn', () => resolve(new ChildStream(child, program)));
    child.once('error', (error) => reject(spawnError(error, program)));
  });
}

function spawnError(error: Error, program: string): VirtstatError {
  const code = systemErrorCode(error);
  const options = { cause: error };
  if (code === 'ENOENT') {
    return new VirtstatError('PATH_NOT_FOUND', `there is no program ${program}; install it, or name another`, options);
  }
  if (code === 'EACCES') return new VirtstatError('ACCESS_DENIED', `${program} may not be executed`, options);
  return new VirtstatError('CONNECT_FAILED', `${program} cannot be started: ${error.message}`, options);
}

/** A program of which only standard input and output are seen. */
class ChildStream implements ByteStream {
  readonly #child: Child;
  readonly #program: string;
  #listener: StreamListener | undefined;
  #reason: VirtstatError | undefined;
  #lastWords = '';
  #hasSpoken = false;
  #isOver = false;

  constructor(child: Child, program: string) {
    this.#child = child;
    this.#program = program;
    // A program that is gone takes nothing; its end says all there is to say.
    child.stdin.on('error', () => undefined);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-MAX_LAST_WORDS);
    });
    child.once('close', () => {
      this.#isOver = true;
      this.#listener?.onEnd(this.#endReason());
    });
  }

  listen(listener: StreamListener): void {
    this.#listener = listener;
    if (this.#isOver) queueMicrotask(() => listener.onEnd(this.#endReason()));
    else {
      this.#child.stdout.on('data', (chunk: Uint8Array) => {
        this.#hasSpoken = true;
        if (this.#reason === undefined) listener.onData(chunk);
      });
    }
  }

  write(bytes: Uint8Array): void {
    if (this.#reason !== undefined || this.#isOver) return;
    if (this.#child.stdin.writableLength + bytes.length > MAX_UNSENT_BYTES) {
      const limit = `${MAX_UNSENT_BYTES} bytes wait to be sent`;
      this.close(new VirtstatError('QUEUE_FULL', `${this.#program} does not read: ${limit}`));
      return;
    }
    this.#child.stdin.write(bytes);
  }

  close(reason?: VirtstatError): void {
    this.#reason ??= reason ?? this.#lost();
    this.#child.kill();
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream.destroy();
  }

  keepAlive(isWanted: boolean): void {
    const { stdin, stdout, stderr } = this.#child;
    // Pipes of a child are sockets, whatever their declared type.
    for (const handle of [this.#child, ...([stdin, stdout, stderr] as unknown[] as Socket[])]) {
      if (isWanted) handle.ref();
      else handle.unref();
    }
  }

  #endReason(): VirtstatError {
    return this.#reason ?? this.#lost();
  }

  #lost(): VirtstatError {
    const words = this.#lastWords.trim().replaceAll(/\s*\n\s*/g, ' ');
    const code = this.#hasSpoken ? 'CONNECTION_LOST' : 'CONNECT_FAILED';
    return new VirtstatError(code, `${this.#program} ended${words === '' ? ' without a word' : `: ${words}`}`);
  }
}
