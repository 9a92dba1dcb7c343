//! Tables and properties of the codec.

use super::*;
use crate::point::{EnumMap, Table};
use proptest::prelude::*;
use std::time::Duration;

/// A plain point of that type; tests change what they are about.
pub(crate) fn point(encoding: Encoding) -> Point {
    Point {
        name: "p".to_owned(),
        unit_id: None,
        table: Table::Holding,
        address: 0,
        encoding,
        word_order: Order::HighFirst,
        byte_order: Order::HighFirst,
        scale: 1.0,
        offset: 0.0,
        factor: 1.0,
        scale_factor: None,
        sentinels: Vec::new(),
        range: (f64::NEG_INFINITY, f64::INFINITY),
        enum_map: None,
        unit: "1".to_owned(),
        signal: None,
        poll: Duration::from_secs(1),
        age_max: Duration::from_secs(5),
        frozen: None,
        readable: true,
        write: None,
    }
}

#[test]
fn every_type_decodes_its_registers() {
    for (encoding, cells, value) in [
        (Encoding::Bool, vec![1], 1.0),
        (Encoding::Bit(3), vec![0b1000], 1.0),
        (Encoding::Bit(2), vec![0b1000], 0.0),
        (Encoding::U8High, vec![0xFE01], 254.0),
        (Encoding::U8Low, vec![0x01FE], 254.0),
        (Encoding::I8High, vec![0xFE01], -2.0),
        (Encoding::I8Low, vec![0x01FE], -2.0),
        (Encoding::U16, vec![0xFFFE], 65_534.0),
        (Encoding::I16, vec![0xFFFE], -2.0),
        (Encoding::U32, vec![0x0001, 0x0000], 65_536.0),
        (Encoding::I32, vec![0xFFFF, 0xFFFE], -2.0),
        (Encoding::U64, vec![0, 0, 1, 0], 65_536.0),
        (Encoding::I64, vec![0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], -2.0),
        // 1.5f32 = 0x3FC00000
        (Encoding::F32, vec![0x3FC0, 0x0000], 1.5),
        // -2.25f64 = 0xC002000000000000
        (Encoding::F64, vec![0xC002, 0, 0, 0], -2.25),
    ] {
        assert_eq!(decode(&point(encoding), &cells, None), Ok(value), "{encoding:?}");
        assert_eq!(decode(&point(encoding), &cells[1..], None), Err(DecodeError::WrongShape), "{encoding:?} short");
    }
}

#[test]
fn word_and_byte_order_are_independent() {
    for (word_order, byte_order, cells) in [
        (Order::HighFirst, Order::HighFirst, [0x1234, 0x5678]),
        (Order::LowFirst, Order::HighFirst, [0x5678, 0x1234]),
        (Order::HighFirst, Order::LowFirst, [0x3412, 0x7856]),
        (Order::LowFirst, Order::LowFirst, [0x7856, 0x3412]),
    ] {
        let point = Point { word_order, byte_order, ..point(Encoding::U32) };
        assert_eq!(decode(&point, &cells, None), Ok(f64::from(0x1234_5678)));
        let encoded = encode(&point, f64::from(0x1234_5678), None).expect("it fits");
        assert_eq!(encoded.as_slice(), cells);
    }
}

#[test]
fn a_failed_decode_never_gives_a_number() {
    let soc = Point { range: (0.0, 1.0), scale: 0.01, sentinels: vec![0xFFFF], ..point(Encoding::U16) };
    assert_eq!(decode(&soc, &[50], None), Ok(0.5));
    assert_eq!(decode(&soc, &[0xFFFF], None), Err(DecodeError::Sentinel));
    assert_eq!(decode(&soc, &[101], None), Err(DecodeError::OutOfRange(1.01)));
    assert_eq!(decode(&point(Encoding::F32), &[0x7FC0, 0], None), Err(DecodeError::NotFinite));
    assert_eq!(decode(&point(Encoding::F32), &[0x7F80, 0], None), Err(DecodeError::NotFinite));
    assert_eq!(decode(&point(Encoding::F64), &[0xFFF8, 0, 0, 0], None), Err(DecodeError::NotFinite));
    let overflowing = Point { scale: 1e300, ..point(Encoding::F64) };
    // 1e200
    assert_eq!(decode(&overflowing, &[0x6974, 0xE718, 0xD7D7, 0x625A], None), Err(DecodeError::NotFinite));
    let scaled = Point { scale_factor: Some(1), ..point(Encoding::I16) };
    assert_eq!(decode(&scaled, &[5], None), Err(DecodeError::NoScaleFactor));
    assert_eq!(decode(&scaled, &[5], Some(-1)), Ok(0.5));
    assert_eq!(exponent(-32_768.0), None, "SunSpec's not implemented");
}

#[test]
fn status_codes_become_flags_and_unknown_codes_become_errors() {
    let names = vec![(0, "off".to_owned()), (4, "running".to_owned())];
    let state = Point { enum_map: Some(EnumMap { names, true_for: vec![4] }), ..point(Encoding::U16) };
    assert_eq!(decode(&state, &[0], None), Ok(0.0));
    assert_eq!(decode(&state, &[4], None), Ok(1.0));
    assert_eq!(decode(&state, &[5], None), Err(DecodeError::UnknownCode(5)));
}

#[test]
fn nothing_wraps_around_when_encoding() {
    for (encoding, value) in [
        (Encoding::U16, -1.0),
        (Encoding::U16, 65_536.0),
        (Encoding::I16, 32_768.0),
        (Encoding::I16, -32_769.0),
        (Encoding::U32, 4_294_967_296.0),
        (Encoding::I32, 2_147_483_648.0),
        (Encoding::F32, 1e39),
        (Encoding::U64, 1e19),
        (Encoding::Bool, 2.0),
    ] {
        assert_eq!(encode(&point(encoding), value, None), Err(EncodeError::DoesNotFit(value)), "{encoding:?} {value}");
    }
    assert_eq!(encode(&point(Encoding::U16), f64::NAN, None), Err(EncodeError::NotFinite));
    let reserved = Point { sentinels: vec![0x8000], ..point(Encoding::I16) };
    assert_eq!(encode(&reserved, -32_768.0, None), Err(EncodeError::Sentinel));
    assert_eq!(encode(&point(Encoding::Bit(1)), 1.0, None), Err(EncodeError::NotWritable));
}

#[test]
fn texts_end_at_the_first_nul_and_show_no_control_characters() {
    let serial = point(Encoding::Text(4));
    assert_eq!(text(&serial, &[0x4142, 0x2031, 0x0041, 0x4141]), "AB 1");
    assert_eq!(text(&serial, &[0x1B41, 0, 0, 0]), "?A");
    let swapped = Point { byte_order: Order::LowFirst, ..serial };
    assert_eq!(text(&swapped, &[0x4241, 0, 0, 0]), "AB");
}

fn writable() -> impl Strategy<Value = Encoding> {
    prop::sample::select(vec![
        Encoding::Bool,
        Encoding::U16,
        Encoding::I16,
        Encoding::U32,
        Encoding::I32,
        Encoding::U64,
        Encoding::I64,
        Encoding::F32,
        Encoding::F64,
    ])
}

fn order() -> impl Strategy<Value = Order> {
    prop::sample::select(vec![Order::HighFirst, Order::LowFirst])
}

#[test]
fn a_coarse_register_never_asks_for_more_than_was_allowed() {
    // Steps of 100 W, in kW; the device counts discharging as positive.
    let coarse = Point { scale: 100.0, factor: -1e-3, ..point(Encoding::I16) };
    for (kw, written) in [(39.969, 39.9), (-39.969, -39.9), (40.0, 40.0), (0.05, 0.0), (-0.3, -0.3)] {
        let cells = encode(&coarse, kw, None).expect("it fits");
        let back = decode(&coarse, cells.as_slice(), None).expect("it decodes");
        assert!((back - written).abs() < 1e-9, "{kw} became {back}, not {written}");
    }
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_within_a_step(
        encoding in writable(), word_order in order(), byte_order in order(),
        value in -1e6..1e6_f64, scale in 1e-3..1e3_f64, offset in -100.0..100.0_f64, negative: bool,
    ) {
        let factor = if negative { -1e-3 } else { 1.0 };
        let point = Point { word_order, byte_order, scale, offset, factor, ..point(encoding) };
        if let Ok(cells) = encode(&point, value, None) {
            let back = decode(&point, cells.as_slice(), None).expect("what was encoded can be decoded");
            let step = match encoding {
                Encoding::F32 => 1e-6 * (value.abs() + 100.0),
                Encoding::F64 => 1e-9 * (value.abs() + 100.0),
                _ => 1.0001 * scale * factor.abs() + 1e-9,
            };
            prop_assert!((back - value).abs() <= step, "{value} came back as {back}");
        }
    }

    #[test]
    fn no_pattern_of_registers_makes_the_decoder_fail_or_leave_the_range(
        cells in prop::collection::vec(any::<u16>(), 0..6), encoding in writable(), word_order in order(),
        exponent in -10..=10_i32, scaled: bool,
    ) {
        let scale_factor = scaled.then_some(0);
        let point = Point { word_order, scale_factor, range: (-50.0, 50.0), ..point(encoding) };
        if let Ok(value) = decode(&point, &cells, Some(exponent)) {
            prop_assert!((-50.0..=50.0).contains(&value));
        }
    }
}
