import type { XdrCodec } from './xdr-codec.ts';

/** Something that the other side can be asked to do. */
export interface Procedure<A, R> {
  readonly number: number;
  /** libvirt's name, without `REMOTE_PROC_`. */
  readonly name: string;
  readonly args: XdrCodec<A>;
  readonly result: XdrCodec<R>;
}

/** A procedure from its number, libvirt's name and forms. */
export function define<A, R>(number: number, name: string, args: XdrCodec<A>, result: XdrCodec<R>): Procedure<A, R> {
  return { number, name, args, result };
}
