//! Transcendental functions of one float32, by polynomials that are fitted at the Chebyshev nodes of an interval.
//!
//! They have no branches, so that loops over them become vector instructions, and no fused products, so that all
//! processors compute the same.

/// 1.5 · 2^23: added to a small number, it rounds the number to an integer, which the lowest bits of the sum hold.
const ROUNDING: f32 = 12_582_912.0;

/// Two numbers whose sum is ln 2. The first has few bits, so that its products with small integers are exact.
const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];

/// `(e^r - 1 - r) / r²` for `|r| ≤ ln(2) / 2`.
const EXP: [f32; 5] = [
    0.5,
    0.166_665_76,
    0.041_666_467,
    0.008_363_18,
    0.001_393_365_1,
];

/// `erf(√t) / √t` for `t ≤ 1`.
const SMALL_ERF: [f32; 7] = [
    std::f32::consts::FRAC_2_SQRT_PI,
    -0.376_126_26,
    0.112_835_97,
    -0.026_854_329,
    0.005_189_312,
    -0.000_801_885_5,
    7.882_497_4e-5,
];

/// `ln(1 - erf x)` for `1 ≤ x ≤ 4`. The error function of greater numbers is 1 in float32.
const LARGE_ERF: [f32; 9] = [
    3.032_129_6e-4,
    -1.130_166_6,
    -0.631_937_1,
    -0.109_978_24,
    0.026_364_718,
    -0.004_740_222_4,
    5.927_695_3e-4,
    -4.559_062_3e-5,
    1.614_061_6e-6,
];

/// `e^x`, with a relative error of at most 2^-23.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Beyond these the result is infinite, or 0. A NaN stays one.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUNDING;
    let whole = rounded - ROUNDING;
    let r = x - whole * LN_2[0] - whole * LN_2[1];
    let power = 1.0 + (r + r * r * polynomial(&EXP, r));
    let exponent = rounded.to_bits().wrapping_sub(ROUNDING.to_bits()) as i32;
    // A single factor could not be a float32.
    let half = exponent >> 1;
    power * power_of_two(half) * power_of_two(exponent - half)
}

/// The error function, with an error of at most 2^-22, relative for `|x| < 1`.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let small = x * polynomial(&SMALL_ERF, x * x);
    let size = x.abs();
    let bounded = if size > 4.0 { 4.0 } else { size };
    let large = (1.0 - exp(polynomial(&LARGE_ERF, bounded))).copysign(x);
    let is_small = u32::from(size < 1.0).wrapping_neg();
    f32::from_bits(small.to_bits() & is_small | large.to_bits() & !is_small)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `Σ coefficients[n] · x^n`.
#[inline(always)]
fn polynomial<const N: usize>(coefficients: &[f32; N], x: f32) -> f32 {
    let mut sum = coefficients[N - 1];
    for coefficient in coefficients[..N - 1].iter().rev() {
        sum = sum * x + coefficient;
    }
    sum
}

/// `2^exponent`, for exponents of normal numbers.
#[inline(always)]
fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits((exponent.wrapping_add(127) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between two bounds.
    fn numbers(low: f32, high: f32) -> impl Iterator<Item = f32> {
        (0..100_000).map(move |index| low + (high - low) * index as f32 / 1e5)
    }

    /// The error function by its series around 0, in float64.
    fn exact_erf(x: f64) -> f64 {
        let terms = (0..200).scan(x, |term, n| {
            let n = f64::from(n);
            let current = *term / (2.0 * n + 1.0);
            *term *= -x * x / (n + 1.0);
            Some(current)
        });
        2.0 / std::f64::consts::PI.sqrt() * terms.sum::<f64>()
    }

    #[test]
    fn exp_is_exact_to_rounding() {
        for x in numbers(-87.0, 88.5) {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2f64.powi(-23), "{x}: {error}");
        }
    }

    #[test]
    fn exp_of_extremes() {
        assert_eq!([0.0, -0.0].map(exp), [1.0, 1.0]);
        assert_eq!([89.0, 1e9, f32::INFINITY].map(exp), [f32::INFINITY; 3]);
        assert_eq!([-104.0, -1e9, f32::NEG_INFINITY].map(exp), [0.0; 3]);
        let tiny = exp(-95.0);
        assert!(tiny > 0.0 && (f64::from(tiny) / (-95f64).exp() - 1.0).abs() < 1e-3);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn erf_is_exact_to_rounding() {
        for x in numbers(-4.5, 4.5) {
            let exact = exact_erf(f64::from(x));
            let error = (f64::from(erf(x)) - exact).abs() / exact.abs().max(1e-30);
            assert!(error < 2f64.powi(-22), "{x}: {error}");
        }
        for x in [1e-20f32, 1e-38, 1e-42] {
            let exact = f64::from(x) * std::f64::consts::FRAC_2_SQRT_PI;
            assert!(
                (f64::from(erf(x)) - exact).abs() <= 1e-6 * exact + 1e-45,
                "{x}"
            );
        }
    }

    #[test]
    fn erf_of_extremes() {
        assert_eq!(
            [0.0, 5.0, 1e38, f32::INFINITY].map(erf),
            [0.0, 1.0, 1.0, 1.0]
        );
        assert_eq!([-5.0, f32::NEG_INFINITY].map(erf), [-1.0, -1.0]);
        assert_eq!(erf(-0.0).to_bits(), (-0.0f32).to_bits());
        assert!(erf(f32::NAN).is_nan());
    }

    #[test]
    fn sigmoid_is_exact_to_rounding() {
        for x in numbers(-80.0, 80.0) {
            let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
            let error = (f64::from(sigmoid(x)) - exact).abs() / exact;
            assert!(error < 2f64.powi(-21), "{x}: {error}");
        }
        let extremes = [f32::NEG_INFINITY, -1e9, 1e9, f32::INFINITY];
        assert_eq!(extremes.map(sigmoid), [0.0, 0.0, 1.0, 1.0]);
    }
}
