//! Tables and properties of the read plan.

use super::super::codec::tests::point;
use super::*;
use crate::device::{Timing, Transport, Unpermitted};
use crate::image::PointId;
use crate::point::Encoding;
use proptest::prelude::*;

fn at(address: u16, encoding: Encoding) -> Point {
    Point { address, encoding, ..point(encoding) }
}

fn device(points: Vec<Point>, limits: ReadLimits) -> Device {
    let second = Duration::from_secs(1);
    Device {
        name: "d".into(),
        transport: Transport::Tcp("127.0.0.1:502".to_owned()),
        unit_id: 1,
        timing: Timing {
            connect_timeout: second,
            response_timeout: second,
            pause: Duration::ZERO,
            reconnect_max: second,
            retry_max: second,
            order_ttl: second,
        },
        points: points.into(),
        limits: limits.into(),
        remote: None,
        identity: Vec::new().into(),
        first: PointId(0),
        file: "d.toml".into(),
        unpermitted: Unpermitted::default(),
    }
}

fn limits(words_max: u16, gap_max: u16, holes: &[(u16, u16)]) -> ReadLimits {
    let holes = holes.iter().map(|(from, to)| (Table::Holding, *from, *to)).collect();
    ReadLimits { words_max, bits_max: 2000, gap_max, holes }
}

fn spans(points: &[(u16, Encoding)], limits: ReadLimits) -> Vec<(u16, u16)> {
    let points = points.iter().map(|(address, encoding)| at(*address, *encoding)).collect();
    blocks(&device(points, limits)).iter().map(|block| (block.start, block.count)).collect()
}

#[test]
fn neighbours_are_read_together_up_to_the_gap_the_limit_and_the_holes() {
    use Encoding::{F32, U16};
    for (points, limits, expected) in [
        (vec![(0, U16), (1, U16), (2, F32)], limits(125, 0, &[]), vec![(0, 4)]),
        (vec![(0, U16), (5, U16)], limits(125, 4, &[]), vec![(0, 6)]),
        (vec![(0, U16), (5, U16)], limits(125, 3, &[]), vec![(0, 1), (5, 1)]),
        (vec![(0, F32), (2, F32), (4, F32)], limits(5, 0, &[]), vec![(0, 4), (4, 2)]),
        (vec![(0, U16), (5, U16)], limits(125, 16, &[(2, 3)]), vec![(0, 1), (5, 1)]),
        (vec![(4, U16), (0, U16)], limits(125, 16, &[(7, 9)]), vec![(0, 5)]),
        (vec![(65_534, F32)], limits(125, 16, &[]), vec![(65_534, 2)]),
        (vec![(3, Encoding::Bit(0)), (3, Encoding::Bit(1))], limits(125, 0, &[]), vec![(3, 1)]),
    ] {
        assert_eq!(spans(&points, limits), expected, "{points:?}");
    }
}

#[test]
fn two_hundred_floats_need_four_reads_of_at_most_125_words() {
    let points: Vec<_> = (0..200).map(|index| (index * 2, Encoding::F32)).collect();
    // 125 is odd, so the largest read of whole floats is 124 words.
    assert_eq!(spans(&points, limits(125, 0, &[])), [(0, 124), (124, 124), (248, 124), (372, 28)]);
}

#[test]
fn different_poll_intervals_and_unit_ids_are_read_apart() {
    let slow = Point { poll: Duration::from_secs(60), ..at(1, Encoding::U16) };
    let other = Point { unit_id: Some(7), ..at(2, Encoding::U16) };
    let blocks = blocks(&device(vec![at(0, Encoding::U16), slow, other], limits(125, 16, &[])));
    assert_eq!(blocks.len(), 3);
    let cost = cost(&blocks);
    assert!((cost.polls_per_s - (1.0 + 1.0 / 60.0 + 1.0)).abs() < 1e-12);
    // 12 bytes of request, 9 bytes of answer header, 2 bytes of data.
    assert!((cost.bytes_per_s - 23.0 * cost.polls_per_s).abs() < 1e-9);
}

#[test]
fn halving_ends_with_the_refused_point_alone() {
    let points: Vec<Point> = (0..8).map(|index| at(index * 2, Encoding::U32)).collect();
    let device = device(points, limits(125, 16, &[]));
    let mut block = blocks(&device).remove(0);
    let mut halvings = 0;
    while let Some((low, high)) = block.bisect(&device.points) {
        assert_eq!(low.points.len() + high.points.len(), block.points.len());
        block = if low.points.contains(&3) { low } else { high };
        halvings += 1;
    }
    assert_eq!((block.points.clone(), block.start, block.count, halvings), (vec![3], 6, 2, 3));
}

#[test]
fn a_refused_block_is_split_at_its_widest_gap_first() {
    let points = [0, 1, 4, 10, 11].map(|address| at(address, Encoding::U16)).to_vec();
    let device = device(points, limits(125, 16, &[]));
    let (low, high) = blocks(&device).remove(0).bisect(&device.points).expect("more than one register");
    assert_eq!((low.start, low.count, high.start, high.count), (0, 5, 10, 2));
}

#[test]
fn bits_of_one_register_are_not_halved_apart() {
    let points = vec![at(3, Encoding::Bit(0)), at(3, Encoding::Bit(1)), at(4, Encoding::U16)];
    let device = device(points, limits(125, 16, &[]));
    let (low, high) = blocks(&device).remove(0).bisect(&device.points).expect("two registers");
    assert_eq!((low.points, high.points), (vec![0, 1], vec![2]));
    let alone = device.points[..2].to_vec();
    let block = Block { points: vec![0, 1], ..blocks(&device).remove(0) };
    assert_eq!(block.bisect(&alone), None);
}

proptest! {
    #[test]
    fn every_point_is_read_exactly_once_and_whole(
        gaps in prop::collection::vec((0..40_u16, 0..3_usize), 1..80), words_max in 4..=125_u16, gap_max in 0..32_u16,
        hole in 0..2000_u16,
    ) {
        let mut points = Vec::new();
        let mut next = 0_u16;
        for (gap, kind) in gaps {
            let encoding = [Encoding::U16, Encoding::F32, Encoding::F64][kind];
            let address = next + gap;
            next = address + encoding.cells();
            let in_hole = (address..next).contains(&hole);
            if !in_hole { points.push(at(address, encoding)); }
        }
        let device = device(points, limits(words_max, gap_max, &[(hole, hole)]));
        let blocks = blocks(&device);
        let mut read: Vec<usize> = blocks.iter().flat_map(|block| block.points.clone()).collect();
        read.sort_unstable();
        prop_assert_eq!(read, (0..device.points.len()).collect::<Vec<_>>());
        for block in &blocks {
            prop_assert!(block.count >= 1 && block.count <= words_max);
            let end = u32::from(block.start) + u32::from(block.count);
            prop_assert!(!(u32::from(block.start)..end).contains(&u32::from(hole)));
            for index in &block.points {
                let point = &device.points[*index];
                prop_assert!(point.address >= block.start && point.end() <= end);
            }
        }
    }
}
