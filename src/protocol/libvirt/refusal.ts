import { VirtstatError } from '../../model/errors.ts';
import {
  VIR_ERR_ERROR,
  VIR_ERR_INTERNAL_ERROR,
  VIR_ERR_INVALID_ARG,
  VIR_ERR_OPERATION_TIMEOUT,
  VIR_FROM_QEMU,
} from './constants.ts';
import { LibvirtError, type RemoteError } from './error.ts';

/** A message of libvirt as it is made: of a format for each code, with one word or sentence in it. */
const FORMATS: ReadonlyMap<number, string> = new Map([
  [1, 'internal error: '],
  [3, 'this function is not supported by the connection driver: '],
  [5, 'no connection driver available for '],
  [8, 'invalid argument: '],
  [29, 'operation forbidden: '],
  [42, 'Domain not found: '],
  [55, 'Requested operation is not valid: '],
  [68, 'Timed out during operation: '],
  [74, 'argument unsupported: '],
  [84, 'Operation not supported: '],
]);

/**
 * What a procedure of a server raises to have its caller told an error. `code` is one of VIR_ERR_*, `domain` one of VIR_FROM_*;
 * libvirt's own words for the code go before `detail`.
 */
export class LibvirtRefusal extends VirtstatError {
  /** As it is sent. */
  readonly error: RemoteError;

  constructor(code: number, domain: number, detail: string, fields: Partial<RemoteError> = {}) {
    const format = FORMATS.get(code) ?? '';
    super('LIBVIRT_CALL_FAILED', `a call was refused: ${format}${detail} (code ${code}, domain ${domain})`);
    this.error = {
      code,
      domain,
      message: `${format}${detail}`,
      level: VIR_ERR_ERROR,
      dom: undefined,
      str1: format === '' ? '%s' : `${format}%1$s`,
      str2: detail,
      str3: undefined,
      int1: -1,
      int2: -1,
      net: undefined,
      ...fields,
    };
  }

  /** Flags that `functionName` of libvirt's QEMU driver does not know. */
  static ofFlags(flags: number, functionName: string): LibvirtRefusal {
    const message = `unsupported flags (0x${flags.toString(16)}) in function ${functionName}`;
    const fields = { message, str1: functionName, str2: 'flags', int1: 0, int2: 0 };
    return new LibvirtRefusal(VIR_ERR_INVALID_ARG, VIR_FROM_QEMU, message, fields);
  }
}

/** The error to send for whatever a procedure raised. */
export function remoteErrorOf(thrown: unknown): RemoteError {
  if (thrown instanceof LibvirtRefusal) return thrown.error;
  if (thrown instanceof LibvirtError)
    return new LibvirtRefusal(thrown.errorCode, thrown.errorDomain, thrown.errorMessage).error;
  const { code, message } = VirtstatError.from(thrown, 'INTERNAL', 'answering a call failed');
  return new LibvirtRefusal(
    code === 'TIMEOUT' ? VIR_ERR_OPERATION_TIMEOUT : VIR_ERR_INTERNAL_ERROR,
    VIR_FROM_QEMU,
    message,
  ).error;
}
