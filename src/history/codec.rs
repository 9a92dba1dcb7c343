//! How columns of numbers become bytes: differences, bytes of equal weight side by side, deflate.
//!
//! A blob begins with the number of values (u32, little-endian); what follows is a zlib stream, whose checksum tells a
//! damaged blob from a good one. Neighbouring samples are alike: of their bit patterns' differences the upper bytes are
//! mostly zero, and with all upper bytes together deflate finds long runs. Unknown is NaN, always the same one.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::cell::RefCell;

/// What stands for a value that is not known.
pub(crate) const UNKNOWN: f32 = f32::NAN;

/// No column is longer: ten minutes at 20 samples a second are 12,000 values, a day's minutes three times 1,440.
const VALUES_MAX: usize = 1 << 22;

/// A blob that does not hold what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged;

/// Values as bytes; what is not finite counts as unknown.
pub(crate) fn pack(values: &[f32]) -> Vec<u8> {
    let known = |value: f32| if value.is_finite() { value } else { UNKNOWN };
    pack_words(values.iter().map(|value| known(*value).to_bits()))
}

/// The values of [`pack`].
pub(crate) fn unpack(blob: &[u8]) -> Result<Vec<f32>, Damaged> {
    Ok(unpack_words(blob)?.into_iter().map(f32::from_bits).collect())
}

/// Times within a chunk, ms: samples come at even distances, so their second differences are next to nothing.
pub(crate) fn pack_times(offsets: &[u32]) -> Vec<u8> {
    let mut before = 0;
    pack_words(offsets.iter().map(|offset| offset.wrapping_sub(std::mem::replace(&mut before, *offset))))
}

/// The times of [`pack_times`].
pub(crate) fn unpack_times(blob: &[u8]) -> Result<Vec<u32>, Damaged> {
    let sum = |time: &mut u32, distance: u32| {
        *time = time.wrapping_add(distance);
        Some(*time)
    };
    Ok(unpack_words(blob)?.into_iter().scan(0, sum).collect())
}

/// How many values a blob holds, without unpacking it.
pub(crate) fn length(blob: &[u8]) -> Result<usize, Damaged> {
    let head: [u8; 4] = blob.get(..4).and_then(|head| head.try_into().ok()).ok_or(Damaged)?;
    let length = u32::from_le_bytes(head) as usize;
    if length <= VALUES_MAX { Ok(length) } else { Err(Damaged) }
}

fn pack_words(words: impl ExactSizeIterator<Item = u32>) -> Vec<u8> {
    let length = words.len();
    let (mut planes, mut before) = (vec![0; 4 * length], 0_u32);
    for (index, word) in words.enumerate() {
        let bytes = zigzag(word.wrapping_sub(before)).to_le_bytes();
        before = word;
        for (plane, byte) in bytes.into_iter().enumerate() {
            planes[plane * length + index] = byte;
        }
    }
    let mut blob = Vec::with_capacity(4 * length + length / 100 + 64);
    blob.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    DEFLATE.with_borrow_mut(|deflate| {
        deflate.reset();
        // There is room for what cannot be made smaller; if not, the blob is damaged and told as such.
        let _ = deflate.compress_vec(&planes, &mut blob, FlushCompress::Finish);
    });
    blob.shrink_to_fit();
    blob
}

thread_local! {
    // Their state is larger than most blobs: making one anew took a quarter of the writer's time.
    static DEFLATE: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(6), true));
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(true));
}

fn unpack_words(blob: &[u8]) -> Result<Vec<u32>, Damaged> {
    let length = length(blob)?;
    let mut planes = vec![0; 4 * length];
    let whole = INFLATE.with_borrow_mut(|inflate| {
        inflate.reset(true);
        // At once, and to the end of the stream: its checksum has been compared then.
        let status = inflate.decompress(blob.get(4..).unwrap_or_default(), &mut planes, FlushDecompress::Finish);
        matches!(status, Ok(Status::StreamEnd)) && inflate.total_out() == 4 * length as u64
    });
    if !whole {
        return Err(Damaged);
    }
    let (low, high) = planes.split_at(2 * length);
    let ((b0, b1), (b2, b3)) = (low.split_at(length), high.split_at(length));
    let bytes = b0.iter().zip(b1).zip(b2).zip(b3).map(|(((b0, b1), b2), b3)| [*b0, *b1, *b2, *b3]);
    let sum = |word: &mut u32, bytes: [u8; 4]| {
        *word = word.wrapping_add(unzigzag(u32::from_le_bytes(bytes)));
        Some(*word)
    };
    Ok(bytes.scan(0, sum).collect())
}

/// Small differences of either sign as small numbers.
const fn zigzag(difference: u32) -> u32 {
    (difference << 1) ^ 0_u32.wrapping_sub(difference >> 31)
}

const fn unzigzag(number: u32) -> u32 {
    (number >> 1) ^ 0_u32.wrapping_sub(number & 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn every_bit_of_every_finite_value_comes_back_and_what_is_not_finite_is_unknown() {
        let edges = [0.0, -0.0, 1.0, -1.0, f32::MIN, f32::MAX, f32::MIN_POSITIVE, f32::EPSILON, 1e-45];
        let walk = (0_u32..5000).map(|i| f32::from_bits(i.wrapping_mul(2_654_435_761))).filter(|v| v.is_finite());
        let values: Vec<f32> = edges.into_iter().chain(walk).collect();
        assert_eq!(bits(&unpack(&pack(&values)).unwrap()), bits(&values));
        let unknown = unpack(&pack(&[1.0, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN])).unwrap();
        assert_eq!(bits(&unknown[1..]), [UNKNOWN.to_bits(); 3]);
        assert_eq!(unpack(&pack(&[])), Ok(Vec::new()));
    }

    #[test]
    fn what_cannot_be_made_smaller_comes_back_too() {
        let mut state = 1_u64;
        let mut noise = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f32::from_bits((state >> 33) as u32 & 0xff7f_ffff)
        };
        for length in [1, 2, 100, 600, 4320, 100_000] {
            let values: Vec<f32> = std::iter::repeat_with(&mut noise).take(length).collect();
            assert!(unpack(&pack(&values)).is_ok_and(|read| bits(&read) == bits(&values)), "{length}");
        }
    }

    #[test]
    fn times_come_back_in_any_order() {
        for times in [vec![], vec![0], vec![5, 1005, 2004, 2004, 599_999], vec![9, 3, u32::MAX, 0]] {
            assert_eq!(unpack_times(&pack_times(&times)), Ok(times));
        }
    }

    #[test]
    fn a_damaged_blob_is_told_from_a_good_one_wherever_the_damage_is() {
        let values: Vec<f32> = (0..600_u16).map(|i| (f32::from(i) / 50.0).sin() * 40.0).collect();
        let good = pack(&values);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            // The two bytes behind the length say how large a window is, not what is in it.
            let same = unpack(&bad).is_ok_and(|read| bits(&read) == bits(&values));
            assert!(unpack(&bad) == Err(Damaged) || same, "byte {at}");
        }
        for at in 0..good.len() {
            assert_eq!(unpack(&good[..at]), Err(Damaged), "cut at {at}");
        }
        assert_eq!(unpack(&[255; 4]), Err(Damaged), "a length that nothing has");
    }
}
