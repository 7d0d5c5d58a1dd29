/** The name of a label and its value, which may be any text. */
export type Label = readonly [name: string, value: string];

/** Labels in their order, made into text once however often they are written. */
export class LabelSet {
  readonly pairs: readonly Label[];
  #text: string | undefined;

  /** @param pairs - names as {@link labelName} makes them, none twice */
  constructor(pairs: readonly Label[]) {
    this.pairs = pairs;
  }

  /** The same labels, and more behind them. */
  with(...more: readonly Label[]): LabelSet {
    return new LabelSet([...this.pairs, ...more]);
  }

  /** As they stand between braces: `domain="web",vcpu="0"`. */
  get text(): string {
    this.#text ??= this.pairs.map(([name, value]) => `${name}="${escapeLabelValue(value)}"`).join(',');
    return this.#text;
  }
}

/** No labels. */
export const NO_LABELS: LabelSet = new LabelSet([]);

/** Characters that a scraper's scanner may take for the end of its input, or a terminal for orders. */
const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f]/g;

const ESCAPED = /[\\"\n]/g;

/** A label's value between its quotation marks: well-formed, on one line, without control characters. */
export function escapeLabelValue(value: string): string {
  return cleanText(value).replaceAll(ESCAPED, escapeOf);
}

/** Help in OpenMetrics, or in Prometheus's format, which has no escape for quotation marks. */
export function escapeHelp(help: string, escapesQuotes: boolean): string {
  return cleanText(help).replaceAll(ESCAPED, (mark) => (mark === '"' && !escapesQuotes ? mark : escapeOf(mark)));
}

/** Half characters and control characters become U+FFFD: the text is UTF-8 that every scraper takes. */
function cleanText(text: string): string {
  return text.toWellFormed().replaceAll(CONTROLS, '\ufffd');
}

function escapeOf(mark: string): string {
  return mark === '\n' ? '\\n' : `\\${mark}`;
}
