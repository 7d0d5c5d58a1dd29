/** Significant digits of `%.17g`. */
const PRECISION = 17;

/**
 * A double as QEMU writes it: C's `%.17g`, exactly rounded, ties to even. What is not finite becomes `inf`, `-inf` or
 * `nan`, which is no JSON, as in QEMU.
 */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const size = Math.abs(value);
  if (size === Number.POSITIVE_INFINITY) return `${sign}inf`;
  if (size === 0) return `${sign}0`;
  const [digits, exponent] = roundedDigits(size);
  const significant = digits.replace(/0+$/, '');
  if (exponent < -4 || exponent >= PRECISION) return sign + scientific(significant, exponent);
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${significant}`;
  const whole = digits.slice(0, exponent + 1);
  const fraction = significant.slice(exponent + 1);
  return fraction === '' ? sign + whole : `${sign}${whole}.${fraction}`;
}

function scientific(significant: string, exponent: number): string {
  const mantissa = significant.length > 1 ? `${significant[0]}.${significant.slice(1)}` : significant;
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

/** The seventeen digits and the decimal exponent of the first of them. */
function roundedDigits(size: number): readonly [digits: string, exponent: number] {
  const [mantissa = '', exponent = '0'] = size.toExponential(PRECISION - 1).split('e');
  const digits = mantissa.replace('.', '');
  return [isTieRoundedToOdd(size, digits) ? String(BigInt(digits) - 1n) : digits, Number(exponent)];
}

/** The platform rounds a tie up, C to the even neighbour: they differ where up is odd. */
function isTieRoundedToOdd(size: number, digits: string): boolean {
  if (Number(digits.at(-1)) % 2 === 0) return false;
  const exact = size.toExponential(100).split('e')[0]?.replace('.', '') ?? '';
  return /^50*$/.test(exact.slice(PRECISION));
}
