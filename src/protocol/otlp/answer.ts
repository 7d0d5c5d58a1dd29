import { fromBinary } from '@bufbuild/protobuf';
import { ExportMetricsServiceResponseSchema } from './metrics_pb.ts';

/** What a server did not take of a request that it took. */
export interface PartialSuccess {
  readonly rejectedPoints: number;
  /** In the server's words; may also be a warning about points that were taken. */
  readonly reason: string;
}

/** What an ExportMetricsServiceResponse says; undefined where all was taken, or the answer says nothing that can be read. */
export function partialSuccessOf(body: Uint8Array): PartialSuccess | undefined {
  try {
    const { partialSuccess } = fromBinary(ExportMetricsServiceResponseSchema, body);
    if (partialSuccess === undefined) return undefined;
    const rejected = Number(partialSuccess.rejectedDataPoints);
    const reason = partialSuccess.errorMessage;
    return rejected > 0 || reason !== '' ? { rejectedPoints: Math.max(0, rejected), reason } : undefined;
  } catch {
    return undefined;
  }
}
