import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { MAX_RETRY_AFTER_MS, outcomeOf as outcomeOfAnswer, shownText } from '../../src/export/push-outcome.ts';
import { partialSuccessOf } from '../../src/protocol/otlp/answer.ts';
import { ExportMetricsServiceResponseSchema } from '../../src/protocol/otlp/metrics_pb.ts';
import { bytesOf, type FuzzTarget, latin1, must, outcomeOf } from '../target.ts';

const NOW_MS = Date.UTC(2026, 0, 31, 12);

/** What is told to people, with some room for what stands around it. */
const MAX_REASON = 250;

/** What a server said goes into a line of the log. */
function checkTold(text: string): void {
  must(!/\p{Cc}/u.test(text), `a text has control characters: ${JSON.stringify(text)}`);
  must(text.isWellFormed(), `a text is cut amid a character: ${JSON.stringify(text)}`);
  must(text.length <= MAX_REASON, `a text has ${text.length} characters`);
}

/** The first line is the status, and the value of Retry-After behind a blank; everything else is the body. */
function check(input: Uint8Array): string {
  const [head = ''] = latin1(input).split('\n', 1);
  const [, digits = '200', retryAfter] = /^(\d{1,3})(?: (.*))?$/.exec(head) ?? [];
  const [status, body] = [Number(digits), input.subarray(head.length + 1)];
  const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
  const outcome = outcomeOfAnswer({ status, headers, body }, NOW_MS);
  const isLater = status === 429 || status >= 500;
  const wanted = status >= 200 && status < 300 ? 'taken' : isLater ? 'later' : 'never';
  must(outcome.kind === wanted, `${status} is ${outcome.kind}`);
  const words: string[] = [outcome.kind];
  if (outcome.reason !== undefined) {
    checkTold(outcome.reason);
    words.push(/^status \d+$/.test(outcome.reason) ? 'silent' : 'told');
  }
  if (outcome.kind === 'later' && outcome.afterMs !== undefined) {
    must(outcome.afterMs >= 0 && outcome.afterMs <= MAX_RETRY_AFTER_MS, `waits ${outcome.afterMs} ms`);
    words.push(outcome.afterMs === 0 ? 'now' : 'after');
  }
  const partial = partialSuccessOf(body);
  if (partial !== undefined) {
    must(partial.rejectedPoints >= 0 && partial.rejectedPoints < 2 ** 64, `${partial.rejectedPoints} points`);
    checkTold(shownText(partial.reason));
    words.push(partial.rejectedPoints > 0 ? 'rejected' : 'warned');
  }
  return outcomeOf(words);
}

const heads = fc.oneof(
  fc.constantFrom('200', '204', '400', '429', '429 7', '503 0', '503 999999999', '500 soon', '301', '599 -1'),
  fc.date({ noInvalidDate: true }).map((date) => `503 ${date.toUTCString()}`),
);
const partials = fc
  .record({
    rejectedDataPoints: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    errorMessage: fc.string({ unit: 'binary' }),
  })
  .map((partialSuccess) =>
    latin1(
      toBinary(ExportMetricsServiceResponseSchema, create(ExportMetricsServiceResponseSchema, { partialSuccess })),
    ),
  );
const WORDS = [
  '\n',
  '429',
  '503 ',
  '200',
  'no\u001b[31m',
  '\xf0\x9f\x98\x80',
  '\xff',
  '\x0a',
  '\x08',
  '\x12',
  'x'.repeat(190),
];

/** What engines answer to pushes. */
export const pushAnswer: FuzzTarget = {
  name: 'push-answer',
  words: WORDS,
  inputs: fc
    .tuple(
      heads,
      fc.oneof(
        partials,
        fc.array(fc.constantFrom(...WORDS), { maxLength: 8 }).map((all) => all.join('')),
      ),
    )
    .map(([head, body]) => bytesOf(`${head}\n${body}`)),
  check,
};
