/**
 * The quantile function of the standard normal distribution, AS241 PPND16 (Wichura, Applied Statistics 37, 1988),
 * for probabilities that come as 32 random bits. It uses nothing but the four operations and the square root,
 * which IEEE 754 rounds exactly, and so gives the same bits in every engine; Math.log would not.
 */

/** Half of the width of the central region. */
const CENTRAL = 0.425;
const CENTRAL_SQUARED = 0.180625;
const TAIL_SHIFT = 1.6;
const WORDS = 2 ** 32;

/** Coefficients of AS241, highest power first. */
const CENTRAL_NUMERATOR = Float64Array.of(
  2509.0809287301227,
  33430.57558358813,
  67265.7709270087,
  45921.95393154987,
  13731.69376550946,
  1971.5909503065513,
  133.14166789178438,
  3.3871328727963665,
);
const CENTRAL_DENOMINATOR = Float64Array.of(
  5226.495278852854,
  28729.085735721943,
  39307.89580009271,
  21213.794301586597,
  5394.196021424751,
  687.1870074920579,
  42.31333070160091,
  1,
);
const TAIL_NUMERATOR = Float64Array.of(
  0.0007745450142783414,
  0.022723844989269184,
  0.2417807251774506,
  1.2704582524523684,
  3.6478483247632045,
  5.769497221460691,
  4.630337846156546,
  1.4234371107496835,
);
const TAIL_DENOMINATOR = Float64Array.of(
  1.0507500716444169e-9,
  0.0005475938084995345,
  0.015198666563616457,
  0.14810397642748008,
  0.6897673349851,
  1.6763848301838038,
  2.053191626637759,
  1,
);

/** ln 2 in two parts, the first with trailing zeros, and the minimax polynomials of fdlibm's e_log.c. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const LOG_EVEN = Float64Array.of(0.15313837699209373, 0.22222198432149784, 0.3999999999940942);
const LOG_ODD = Float64Array.of(
  0.14798198605116586,
  0.1818357216161805,
  0.2857142874366239,
  0.6666666666666735,
);
const SQRT_HALF = Math.SQRT1_2;

/** 2^-n for n from 0 to 33. */
const HALVINGS = Array.from({ length: 34 }, () => 1);
for (let n = 1; n < HALVINGS.length; n++) HALVINGS[n] = HALVINGS[n - 1]! / 2;

/**
 * The x with P(X <= x) = (bits + 0.5) / 2^32, between -6.34 and 6.34, to about 1e-15.
 *
 * @param bits an unsigned integer of 32 bits
 */
export function normalQuantile(bits: number): number {
  const q = (bits + 0.5) / WORDS - 0.5;
  if (q >= -CENTRAL && q <= CENTRAL) return central(q);
  const lower = q < 0;
  const magnitude = tail(Math.sqrt(-logOfHalf(lower ? bits : WORDS - 1 - bits)));
  return lower ? -magnitude : magnitude;
}

function central(q: number): number {
  const r = CENTRAL_SQUARED - q * q;
  return (polynomial(CENTRAL_NUMERATOR, r) * q) / polynomial(CENTRAL_DENOMINATOR, r);
}

/** @param root sqrt(-ln p); 32 bits never reach AS241's third region, above 5 */
function tail(root: number): number {
  const r = root - TAIL_SHIFT;
  return polynomial(TAIL_NUMERATOR, r) / polynomial(TAIL_DENOMINATOR, r);
}

function polynomial(coefficients: Float64Array, x: number): number {
  let value = coefficients[0]!;
  for (let at = 1; at < coefficients.length; at++) value = value * x + coefficients[at]!;
  return value;
}

/** ln((n + 0.5) / 2^32) for an integer n of at least 0 and below 2^31, by fdlibm's e_log.c. */
function logOfHalf(n: number): number {
  const bitLength = 32 - Math.clz32(n);
  let mantissa = (n + 0.5) * HALVINGS[bitLength]!;
  let exponent = bitLength - 32;
  if (mantissa < SQRT_HALF) {
    mantissa *= 2;
    exponent -= 1;
  }
  const f = mantissa - 1;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const even = w * polynomial(LOG_EVEN, w);
  const odd = z * polynomial(LOG_ODD, w);
  const halfSquare = 0.5 * f * f;
  return exponent * LN2_HIGH - (halfSquare - (s * (halfSquare + even + odd) + exponent * LN2_LOW) - f);
}
