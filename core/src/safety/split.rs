//! From a power of all units to the power of each.

use crate::constraint::Span;
use crate::equipment::UNITS_MAX;
use crate::units::Watts;

/// Splits `total` so that each unit's share lies in its span: from the lower ends, each goes up by the same part of its
/// room. `None` if the spans together do not hold it. Whole watts, and their sum is exact.
pub(super) fn split<'a>(total: Watts, spans: impl Iterator<Item = &'a Span>) -> Option<[Watts; UNITS_MAX]> {
    let (mut low, mut room) = ([Watts::ZERO; UNITS_MAX], [Watts::ZERO; UNITS_MAX]);
    let (mut least, mut all) = (Watts::ZERO, Watts::ZERO);
    for ((low, room), span) in low.iter_mut().zip(&mut room).zip(spans) {
        (*low, *room) = (span.low.value, span.high.value - span.low.value);
        (least, all) = (least + *low, all + *room);
    }
    let more = total - least;
    (more >= Watts::ZERO && more <= all).then(|| add(low, spread(more, all, room)))
}

/// Adds `change` to powers that stay in their spans, each by the same part of its room in that direction; what the spans
/// do not hold is left out.
pub(super) fn shift(powers: [Watts; UNITS_MAX], change: Watts, spans: &[Span]) -> [Watts; UNITS_MAX] {
    let mut room = [Watts::ZERO; UNITS_MAX];
    for ((room, power), span) in room.iter_mut().zip(powers).zip(spans) {
        *room = if change > Watts::ZERO { span.high.value - power } else { power - span.low.value }.max(Watts::ZERO);
    }
    let all = room.into_iter().sum();
    let moved = spread(change.abs().min(all), all, room);
    add(powers, if change > Watts::ZERO { moved } else { moved.map(|share| -share) })
}

/// Shares of `total` in proportion to the rooms, none beyond its room; `all` is the sum of the rooms, `0 <= total <= all`.
fn spread(total: Watts, all: Watts, mut rooms: [Watts; UNITS_MAX]) -> [Watts; UNITS_MAX] {
    let (mut left, mut room_left) = (total, all);
    for room in &mut rooms {
        if room_left == Watts::ZERO {
            break;
        }
        let share = share(left, *room, room_left);
        (left, room_left) = (left - share, room_left - *room);
        *room = share;
    }
    rooms
}

/// What one unit takes of what is left, given its room and that of all that are left.
fn share(left: Watts, room: Watts, room_left: Watts) -> Watts {
    // The usual plant has one unit of a kind: its room is all there is, and nothing has to be divided.
    if room == room_left {
        return left;
    }
    // 128 bits hold the product of any two powers.
    let exact = i128::from(left.get()) * i128::from(room.get()) / i128::from(room_left.get()).max(1);
    // What the units after this one cannot take it has to.
    let least = left - (room_left - room);
    i64::try_from(exact).map_or(room, Watts::new).max(least).min(room).min(left)
}

fn add(mut a: [Watts; UNITS_MAX], b: [Watts; UNITS_MAX]) -> [Watts; UNITS_MAX] {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = *a + b);
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constraint::Rule;

    fn spans(ends: [(i64, i64); 4]) -> [Span; 4] {
        ends.map(|(low, high)| Span::new(Watts::new(low), Watts::new(high), Rule::BatteryRating))
    }

    #[test]
    fn every_whole_watt_that_the_spans_hold_is_split_exactly_and_inside_them() {
        for ends in
            [[(-3, 4), (0, 0), (1, 7), (-2, -1)], [(0, 1), (0, 1), (0, 1), (0, 0)], [(-5, 5), (0, 0), (0, 0), (0, 0)]]
        {
            let spans = spans(ends);
            let (low, high) = (ends.iter().map(|e| e.0).sum::<i64>(), ends.iter().map(|e| e.1).sum::<i64>());
            for total in low - 1..=high + 1 {
                let shares = split(Watts::new(total), spans.iter());
                assert_eq!(shares.is_some(), (low..=high).contains(&total));
                let Some(shares) = shares else { continue };
                assert_eq!(shares.iter().map(|share| share.get()).sum::<i64>(), total);
                assert!(shares.iter().zip(&spans).all(|(share, span)| span.contains(*share)), "{total} {shares:?}");
                for change in -9..=9 {
                    let moved = shift(shares, Watts::new(change), &spans);
                    let sum: i64 = moved.iter().map(|power| power.get()).sum();
                    assert_eq!(sum, (total + change).clamp(low, high), "{total} {change}");
                    assert!(moved.iter().zip(&spans).all(|(power, span)| span.contains(*power)));
                }
            }
        }
    }

    #[test]
    fn equal_units_share_alike() {
        let shares = split(Watts::new(10), spans([(-10, 10), (-10, 10), (0, 0), (0, 0)]).iter());
        assert_eq!(shares, Some([5, 5, 0, 0].map(Watts::new)));
    }
}
