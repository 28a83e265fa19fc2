//! Transcendental functions of one float32, by polynomials that are fitted to them in an interval.
//!
//! They have no branches, so that loops over them become vector instructions. `has_fma` is whether `mul_add` is an
//! instruction of the processor.

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

/// From where on the error function is 1 in float32.
const ERF_END: f32 = 3.92;

/// The numerator and the denominator of `erf(√t) / √t` for `√t < ERF_END`: the quotient of polynomials of degree 5 with
/// the least maximum of the relative error, which is 2^-25.7. No term is negative, so none are cancelled.
const ERF: [[f32; 6]; 2] = [
    [
        std::f32::consts::FRAC_2_SQRT_PI,
        0.190_406_6,
        0.052_748_74,
        0.003_765_622_6,
        2.848_828_4e-4,
        2.050_086e-6,
    ],
    [
        1.0,
        0.502_076_2,
        0.114_109_166,
        0.014_969_227,
        0.001_162_536_9,
        3.809_171e-5,
    ],
];

/// `e^x`, with a relative error of at most 2^-23.
#[inline(always)]
pub fn exp(x: f32, has_fma: bool) -> f32 {
    let add = |product: [f32; 2], term| product_and_sum(product, term, has_fma);
    // Beyond these the result is infinite, or 0. A NaN stays one.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let rounded = add([x, std::f32::consts::LOG2_E], ROUNDING);
    let whole = rounded - ROUNDING;
    let r = add([whole, -LN_2[1]], add([whole, -LN_2[0]], x));
    let power = 1.0 + add([r * r, polynomial(&EXP, r, has_fma)], r);
    let exponent = rounded.to_bits().wrapping_sub(ROUNDING.to_bits()) as i32;
    // A single factor could not be a float32.
    let half = exponent >> 1;
    power * power_of_two(half) * power_of_two(exponent - half)
}

/// The error function, with a relative error of at most 2^-21.
#[inline(always)]
pub fn erf(x: f32, has_fma: bool) -> f32 {
    let [numerator, denominator] = ERF.map(|terms| polynomial(&terms, x * x, has_fma));
    let inside = x * numerator / denominator;
    let outside = 1f32.copysign(x);
    // Rounding may exceed 1.
    let is_outside = (x.abs() >= ERF_END) | (inside.abs() > 1.0);
    let is_outside = u32::from(is_outside).wrapping_neg();
    f32::from_bits(outside.to_bits() & is_outside | inside.to_bits() & !is_outside)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid(x: f32, has_fma: bool) -> f32 {
    1.0 / (1.0 + exp(-x, has_fma))
}

/// `Σ coefficients[n] · x^n`.
#[inline(always)]
fn polynomial<const N: usize>(coefficients: &[f32; N], x: f32, has_fma: bool) -> f32 {
    let mut sum = coefficients[N - 1];
    for coefficient in coefficients[..N - 1].iter().rev() {
        sum = product_and_sum([sum, x], *coefficient, has_fma);
    }
    sum
}

/// A product of two factors, and a term.
#[inline(always)]
fn product_and_sum([a, b]: [f32; 2], term: f32, has_fma: bool) -> f32 {
    if has_fma {
        a.mul_add(b, term)
    } else {
        a * b + term
    }
}

/// `2^exponent`, for exponents of normal numbers.
#[inline(always)]
fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits((exponent.wrapping_add(127) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether products are fused.
    const WAYS: [bool; 2] = [false, true];

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
        for (x, way) in numbers(-87.0, 88.5).flat_map(|x| WAYS.map(|way| (x, way))) {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x, way)) - exact).abs() / exact;
            assert!(error < 2f64.powi(-23), "{x}: {error}");
        }
    }

    #[test]
    fn exp_of_extremes() {
        for way in WAYS {
            let exp = |x| exp(x, way);
            assert_eq!([0.0, -0.0].map(exp), [1.0, 1.0]);
            assert_eq!([89.0, 1e9, f32::INFINITY].map(exp), [f32::INFINITY; 3]);
            assert_eq!([-104.0, -1e9, f32::NEG_INFINITY].map(exp), [0.0; 3]);
            let tiny = exp(-95.0);
            assert!(tiny > 0.0 && (f64::from(tiny) / (-95f64).exp() - 1.0).abs() < 1e-3);
            assert!(exp(f32::NAN).is_nan());
        }
    }

    #[test]
    fn erf_is_exact_to_rounding() {
        for (x, way) in numbers(-4.5, 4.5).flat_map(|x| WAYS.map(|way| (x, way))) {
            let exact = exact_erf(f64::from(x));
            let error = (f64::from(erf(x, way)) - exact).abs() / exact.abs().max(1e-30);
            assert!(error < 2f64.powi(-21), "{x}: {error}");
        }
        for x in [1e-20f32, 1e-38, 1e-42] {
            let exact = f64::from(x) * std::f64::consts::FRAC_2_SQRT_PI;
            assert!(
                (f64::from(erf(x, true)) - exact).abs() <= 1e-6 * exact + 1e-45,
                "{x}"
            );
        }
    }

    #[test]
    fn erf_of_extremes() {
        for way in WAYS {
            let erf = |x| erf(x, way);
            assert_eq!(
                [0.0, 5.0, 1e38, f32::INFINITY].map(erf),
                [0.0, 1.0, 1.0, 1.0]
            );
            assert_eq!([-5.0, f32::NEG_INFINITY].map(erf), [-1.0, -1.0]);
            assert_eq!(erf(-0.0).to_bits(), (-0.0f32).to_bits());
            assert!(erf(f32::NAN).is_nan());
            assert!(numbers(-4.5, 4.5).all(|x| erf(x).abs() <= 1.0));
        }
    }

    #[test]
    fn sigmoid_is_exact_to_rounding() {
        for (x, way) in numbers(-80.0, 80.0).flat_map(|x| WAYS.map(|way| (x, way))) {
            let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
            let error = (f64::from(sigmoid(x, way)) - exact).abs() / exact;
            assert!(error < 2f64.powi(-21), "{x}: {error}");
        }
        let extremes = [f32::NEG_INFINITY, -1e9, 1e9, f32::INFINITY];
        assert_eq!(extremes.map(|x| sigmoid(x, true)), [0.0, 0.0, 1.0, 1.0]);
    }
}
