//! Points as registers. A measured number takes four: its value (IEEE 754 single precision, high word first), its quality (0 good, 1
//! uncertain, 2 bad, 3 never), its age in s. A commanded number takes two, a text half its characters, everything else one.
//! What is unknown is NaN in a number, 65535 elsewhere; so is a register that means nothing.

use crate::points::{NUMBER_REGISTERS, Point, PointList, Shape, Use};
use crate::wires::Reading;

/// Addresses that can be read: first and last of each block. Reads beyond are refused, reads within may cross what means nothing.
pub const BLOCKS: [(u16, u16); 6] = [(1, 99), (100, 1899), (2000, 2099), (3000, 3063), (4000, 4255), (9000, 9099)];

/// A register that means nothing, or whose value is unknown.
const NOTHING: u16 = 0xFFFF;

/// How many registers a point takes.
#[must_use]
pub const fn width(point: &Point) -> u16 {
    match (point.shape, point.usage) {
        (Shape::Number, Use::Read) => NUMBER_REGISTERS,
        (Shape::Number, Use::Command(_)) => 2,
        (Shape::Text(characters), _) => characters / 2,
        (Shape::Count | Shape::State(_) | Shape::Flag, _) => 1,
    }
}

/// `count` registers from `first` on; `None`: not within one block.
pub(super) fn read(
    list: &PointList,
    reading: impl Fn(usize) -> Reading,
    (first, count): (u16, u16),
) -> Option<Vec<u16>> {
    let last = first.checked_add(count.checked_sub(1)?)?;
    BLOCKS.iter().find(|(from, to)| (*from..=*to).contains(&first) && last <= *to)?;
    let mut registers = vec![NOTHING; usize::from(count)];
    for (place, point) in list.points().iter().enumerate() {
        let end = point.number + width(point);
        if end <= first || point.number > last {
            continue;
        }
        for (address, word) in (point.number..).zip(words(point, &reading(place))) {
            let register = address.checked_sub(first).and_then(|offset| registers.get_mut(usize::from(offset)));
            if let Some(register) = register {
                *register = word;
            }
        }
    }
    Some(registers)
}

/// A point's registers.
fn words(point: &Point, reading: &Reading) -> Vec<u16> {
    match point.shape {
        Shape::Number => {
            let value = float(reading.value.unwrap_or(f64::NAN));
            let beside = [reading.trust.number(), reading.age_s.clamp(0.0, 65_535.0) as u16];
            value.into_iter().chain(beside).take(usize::from(width(point))).collect()
        }
        Shape::Text(characters) => letters(reading.text.as_deref().unwrap_or_default(), characters),
        Shape::Count => vec![reading.value.map_or(NOTHING, |value| value.rem_euclid(65_536.0) as u16)],
        Shape::State(_) | Shape::Flag => vec![reading.value.map_or(NOTHING, |value| value as u16)],
    }
}

pub(super) fn float(value: f64) -> [u16; 2] {
    // NaN has many forms; a register map has one.
    let bits = if value.is_finite() { (value as f32).to_bits() } else { 0x7FC0_0000 };
    [(bits >> 16) as u16, bits as u16]
}

/// ASCII, two characters in a register, filled with zeros; other letters are question marks.
fn letters(text: &str, characters: u16) -> Vec<u16> {
    let plain = text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c as u8 } else { b'?' });
    let bytes: Vec<u8> = plain.chain(std::iter::repeat(0)).take(usize::from(characters)).collect();
    bytes.chunks_exact(2).map(|pair| pair.iter().fold(0, |word, byte| word << 8 | u16::from(*byte))).collect()
}

/// Values that a write of `words` from `first` on gives to points; `None`: it does not fill points exactly.
pub(super) fn written(list: &PointList, first: u16, words: &[u16]) -> Option<Vec<(usize, f64)>> {
    let mut values = Vec::new();
    let (mut address, mut rest) = (first, words);
    while !rest.is_empty() {
        let place = list.at(address)?;
        let point = list.points().get(place)?;
        let (own, after) = rest.split_at_checked(usize::from(width(point)))?;
        let value = match (point.shape, own) {
            (Shape::Number, [high, low]) => f64::from(f32::from_bits(u32::from(*high) << 16 | u32::from(*low))),
            (_, [word]) => f64::from(*word),
            _ => return None,
        };
        values.push((place, value));
        address = address.checked_add(width(point))?;
        rest = after;
    }
    Some(values)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use crate::points::Extent;
    use crate::wires::Trust;
    use memg_core::plant_state::{Signal, Tag};

    fn list() -> PointList {
        let signals = vec![(Tag::first(Signal::PvKw), "kW"), (Tag::first(Signal::WindKw), "kW")];
        PointList::of(&Extent { signals, batteries: 1, chps: 1, alarms: vec![("a".into(), String::new())] })
    }

    #[test]
    fn values_stand_where_the_map_says_and_what_is_unknown_is_no_zero() {
        let list = list();
        let (pv, mode, why) = (list.named("pv_kw").unwrap(), list.named("mode").unwrap(), list.named("why").unwrap());
        let reading = |place| match place {
            _ if place == pv => Reading { value: Some(12.5), trust: Trust::Bad, age_s: 70.4, text: None },
            _ if place == mode => Reading::own(2.0),
            _ if place == why => Reading::words("ok: 5 °C"),
            _ => Reading::default(),
        };
        let words = read(&list, reading, (100, 8)).unwrap();
        assert_eq!(words, [0x4148, 0, 2, 70, 0x7FC0, 0, 3, 0], "pv_kw, then wind_kw that was never known");
        assert_eq!(read(&list, reading, (2, 2)).unwrap(), [NOTHING, 2]);
        assert_eq!(read(&list, reading, (101, 2)).unwrap(), [0, 2], "in the middle of a value");
        assert_eq!(read(&list, reading, (4000, 5)).unwrap(), [0x6F6B, 0x3A20, 0x3520, 0x3F43, 0]);
        for beyond in [(0, 1), (99, 2), (1890, 20), (2100, 1), (65_535, 2), (1, 0)] {
            assert_eq!(read(&list, reading, beyond), None, "{beyond:?}");
        }
    }

    #[test]
    fn writes_fill_points_exactly() {
        let list = list();
        let place = |name: &str| list.named(name).unwrap();
        let (battery, chp) = (place("command.battery_kw"), place("command.chp_kw"));
        assert_eq!(written(&list, 9006, &[0xC148, 0, 0x41A0, 0]), Some(vec![(battery, -12.5), (chp, 20.0)]));
        assert_eq!(written(&list, 9000, &[2]), Some(vec![(place("command.mode"), 2.0)]));
        for (first, words) in [(9007, &[0, 0][..]), (9006, &[0]), (9006, &[0, 0, 0]), (9050, &[1]), (65_535, &[1, 1])] {
            assert_eq!(written(&list, first, words), None, "{first}");
        }
    }
}
