//! Elementary functions without branches or library calls, so that loops over them vectorise and give the same bits on every
//! instruction set. Not for general use: the arguments that occur here are bounded.

/// `tanh(x)` within 3e-7 of the truth, relative for small arguments: the rational minimax approximation of Eigen and XLA.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    const P: [f32; 7] =
        [-2.760_768_5e-16, 2.000_188e-13, -8.604_672e-11, 5.122_297e-8, 1.485_722_4e-5, 6.372_619_3e-4, 4.893_524_6e-3];
    const Q: [f32; 4] = [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3];
    let x = x.clamp(-7.905_311, 7.905_311);
    let x2 = x * x;
    let p = P.iter().fold(0.0, |sum, c| sum * x2 + c);
    let q = Q.iter().fold(0.0, |sum, c| sum * x2 + c);
    x * p / q
}

/// `ln(x)` for normal positive `x`, within 1e-7: exponent and mantissa in [√½, √2), polynomial of Cephes.
#[inline(always)]
fn ln(x: f32) -> f32 {
    const P: [f32; 9] = [
        7.037_684e-2,
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
    let exponent = ((bits as i32) >> 23) as f32;
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3)) - 1.0;
    let poly = P.iter().fold(0.0, |sum, c| sum * m + c);
    m - 0.5 * m * m + m * m * m * poly + exponent * std::f32::consts::LN_2
}

/// A standard normal number from 64 random bits: `√2·erf⁻¹(u)`, u uniform in (-1, 1) (Giles 2010, single precision).
#[inline(always)]
pub(crate) fn normal(bits: u64) -> f32 {
    const CENTRE: [f32; 9] = [
        2.810_226_4e-8,
        3.432_739_4e-7,
        -3.523_387_7e-6,
        -4.391_506_5e-6,
        2.185_808_7e-4,
        -1.253_725e-3,
        -4.177_681_6e-3,
        2.466_407_3e-1,
        1.501_409_4,
    ];
    const TAIL: [f32; 9] = [
        -2.002_142_6e-4,
        1.009_505_6e-4,
        1.349_343_2e-3,
        -3.673_428_4e-3,
        5.739_507_7e-3,
        -7.622_461_3e-3,
        9.438_870_5e-3,
        1.001_674,
        2.832_976_8,
    ];
    let u = ((bits >> 41) as f32 + 0.5) * (1.0 / 4_194_304.0) - 1.0;
    let w = -ln((1.0 - u) * (1.0 + u));
    let (centre, tail) = (w - 2.5, w.max(0.0).sqrt() - 3.0);
    let near = CENTRE.iter().fold(0.0, |sum, c| sum * centre + c);
    let far = TAIL.iter().fold(0.0, |sum, c| sum * tail + c);
    std::f32::consts::SQRT_2 * u * if w < 5.0 { near } else { far }
}
