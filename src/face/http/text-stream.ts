import { Pace } from '../../metrics/pace.ts';

/** A body of text whose pieces are made when the client has room for them, and between which others have their turn. */
export function textStream(pieces: Iterator<string, void>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const pace = new Pace();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await pace.rest();
        const { done, value } = pieces.next();
        if (done === true) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      cancel() {
        pieces.return?.();
      },
    },
    { highWaterMark: 1 },
  );
}
