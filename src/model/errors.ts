/**
 * Every error that virtstat raises, in one table: the code is stable and meant for programs, the summary says when it
 * is raised. `docs/errors.md` explains each one to people; a test keeps the two in step.
 */
export const ERROR_CODES = {
  USAGE: 'The command line or an option of a call is wrong.',
  CONFIG_INVALID: 'The configuration of the daemon has mistakes.',
  UNKNOWN_TARGET: 'No schema of the asked domains has this target.',
  UNKNOWN_PROVIDER: 'No schema of the asked domains has this provider.',
  UNKNOWN_STAT: 'No schema of the asked domains has a stat of this name.',
  NOTHING_MATCHED: 'No domain, path or stat matches what was asked for.',
  PROVIDER_DUPLICATE: 'A provider of this name is already registered.',
  PROVIDER_FAILED: 'A provider raised an error that is not one of these.',
  URI_INVALID: 'A connection URI cannot be understood.',
  URI_UNSUPPORTED: 'This build has no source for the URI’s scheme.',
  PATH_NOT_FOUND: 'A socket, file or directory does not exist.',
  ACCESS_DENIED: 'The operating system refused access to a socket, file or process.',
  CONNECT_REFUSED: 'Nobody listens at the address.',
  CONNECT_FAILED: 'The connection could not be made, for another reason than the ones above.',
  ADDRESS_IN_USE: 'Somebody else already serves at the address or in the directory.',
  TLS_FAILED: 'The TLS handshake or the check of the peer’s certificate failed.',
  AUTHENTICATION_FAILED: 'The peer does not know who we are: no certificate or token, or a wrong one.',
  CONNECTION_LOST: 'The peer closed the connection, or it broke, while an answer was awaited.',
  CLOSED: 'A call was made on something that is already closed.',
  TIMEOUT: 'No answer within the limit of the call.',
  CANCELLED: 'The caller’s AbortSignal fired.',
  QUEUE_FULL: 'More requests are waiting than the bound allows.',
  FRAME_TOO_LARGE: 'A message from a peer is larger than the bound.',
  NESTING_TOO_DEEP: 'A message from a peer nests brackets deeper than the bound.',
  JSON_INVALID: 'A message from a peer is not JSON.',
  MONITOR_BUSY: 'The monitor accepted the connection but sent no greeting: it serves one client at a time.',
  MONITOR_MISSING: 'The VM has no monitor that could be asked.',
  MONITOR_NOT_QMP: 'The peer at a QMP address does not speak QMP.',
  QMP_COMMAND_FAILED: 'QEMU answered a command with an error.',
  QMP_REPLY_INVALID: 'A reply of QEMU does not have the shape that its command promises.',
  VARLINK_CALL_FAILED: 'A varlink service answered a call with an error.',
  VARLINK_MESSAGE_INVALID: 'A varlink peer sent no call or reply, or one that its interface does not promise.',
  VARLINK_IDL_INVALID: 'A varlink interface definition breaks the grammar.',
  LIBVIRT_CALL_FAILED: 'A libvirt daemon answered a call with an error.',
  LIBVIRT_MESSAGE_INVALID: 'A libvirt daemon sent something that its protocol does not promise.',
  LIBVIRT_AUTH_FAILED: 'A libvirt daemon did not let us in, or is not the one that it says it is.',
  HTTP_FAILED: 'An HTTP server answered with a status that is no success.',
  HMP_TEXT_INVALID: 'A text is not what `info stats` prints.',
  STATS_FILE_TRUNCATED: 'A stats file ends before something that its header or a descriptor says is there.',
  STATS_FILE_INVALID: 'A stats file contradicts the KVM binary statistics format.',
  STATS_FILE_TOO_LARGE: 'A stats file announces more than the bounds allow.',
  STATS_FILE_UNREADABLE: 'Reading a stats file failed.',
  STATS_FILE_NOT_KEPT: 'The VMM keeps no stats file open that could be shared.',
  OUTPUT_FAILED: 'Writing a file that was asked for failed.',
  KERNEL_UNSAFE: 'This kernel may crash when a stats file outlives its VM.',
  PLATFORM_UNSUPPORTED: 'System calls are not available on this platform.',
  QUEUE_UNUSABLE: 'The files of what waits to be sent cannot be read or written.',
  PUSH_FAILED: 'An engine did not take what was sent to it.',
  RECORDING_INVALID: 'A file is no recording, or it is cut or damaged.',
  RECORDING_FAILED: 'Writing a recording failed.',
  DUCKDB_MISSING: 'DuckDB, which recordings take, is not installed.',
  STATS_NOT_OFFERED: 'The VMM measures nothing of the kind.',
  DOMAIN_GONE: 'The VM has exited.',
  DEMO_FAILED: 'The demo could not start a VM.',
  INTERNAL: 'A defect in virtstat itself.',
} as const;

/** A stable error code: a key of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

const brand = Symbol.for('virtstat.error');

/**
 * The one base class of every error that virtstat raises. `message` is one line: what failed, with what, what to do.
 * `code` is a key of {@link ERROR_CODES}; `cause`, where present, is the error underneath.
 */
export class VirtstatError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'VirtstatError';
    this.code = code;
    Object.defineProperty(this, brand, { value: true });
  }

  /** True for an error of virtstat, also one from another copy of the package in the same process. */
  static is(error: unknown): error is VirtstatError {
    return typeof error === 'object' && error !== null && brand in error;
  }

  /** The error itself where it is one of virtstat's, else one of `code` that says `message` and wraps it as `cause`. */
  static from(error: unknown, code: ErrorCode, message: string): VirtstatError {
    if (VirtstatError.is(error)) return error;
    const reason = error instanceof Error ? error.message : String(error);
    return new VirtstatError(code, `${message}: ${reason}`, { cause: error });
  }
}

/** The `code` of a system error (`ENOENT`, `EACCES`, …), or undefined where `error` carries none. */
export function systemErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The error that a fired signal stands for: its reason where that is one of virtstat's, else CANCELLED. */
export function cancellation(signal: AbortSignal, what: string): VirtstatError {
  if (VirtstatError.is(signal.reason)) return signal.reason;
  return new VirtstatError('CANCELLED', `${what} is no longer waited for: the caller cancelled`, {
    cause: signal.reason,
  });
}
