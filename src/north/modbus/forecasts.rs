//! Forecasts as registers: a block of 1000 for each quantity, from 10000 on in the order of [`Quantity::ALL`].
//!
//! | register | what |
//! |---|---|
//! | 0, 1 | begin of the first value, s since 1970 UTC, high word first |
//! | 2 | how long each value holds, s |
//! | 3 | number of values |
//! | 4 | written 1: what stands here is the forecast from now on; read: number of values of the last one that was taken |
//! | 10, … | the values, two registers each (IEEE 754 single precision, high word first), NaN for a hole |

use super::registers::float;
use crate::desk::{Principal, Refusal};
use crate::forecasts::{Draft, Forecasts, VALUES_MAX};
use memg_core::series::Quantity;

/// Register of the first block.
pub const FIRST: u16 = 10_000;
/// Registers from one block to the next.
pub const STRIDE: u16 = 1000;
const STEP_S: u16 = 2;
const COUNT: u16 = 3;
const TAKE: u16 = 4;
const VALUES: u16 = 10;
/// Registers of a block.
const LENGTH: u16 = VALUES + 2 * VALUES_MAX as u16;

/// The quantity and the place within its block; `None`: `count` registers from `first` on are not within one.
fn place(forecasts: &Forecasts, first: u16, count: usize) -> Option<(Quantity, u16)> {
    let beyond = first.checked_sub(FIRST)?;
    let quantity = *Quantity::ALL.get(usize::from(beyond / STRIDE))?;
    let place = beyond % STRIDE;
    let fits = count > 0 && usize::from(place) + count <= usize::from(LENGTH);
    (fits && forecasts.has(quantity)).then_some((quantity, place))
}

/// Registers as this client wrote them; `None`: not all of them are there.
pub(super) fn read(forecasts: &Forecasts, by: &Principal, first: u16, count: u16) -> Option<Vec<u16>> {
    let (quantity, place) = place(forecasts, first, count.into())?;
    let words = words(&forecasts.draft(by, quantity));
    words.get(usize::from(place)..usize::from(place + count)).map(<[u16]>::to_vec)
}

/// Writes registers.
///
/// # Errors
/// [`Refusal::NotWritable`] where there are none, else why the forecast cannot be.
pub(super) fn write(forecasts: &Forecasts, by: &Principal, first: u16, words: &[u16]) -> Result<(), Refusal> {
    let (quantity, start) = place(forecasts, first, words.len()).ok_or(Refusal::NotWritable)?;
    forecasts.change(by, quantity, |draft| {
        let mut whole = false;
        for (place, word) in (start..).zip(words) {
            match place {
                TAKE if *word > 1 => return Err(Refusal::OutOfRange(format!("expected 0 or 1, found {word}"))),
                TAKE => whole = *word == 1,
                _ => put(draft, place, *word),
            }
        }
        Ok(whole)
    })
}

fn words(draft: &Draft) -> Vec<u16> {
    let [high, low] = halves(draft.begin_s);
    let head = [high, low, draft.step_s, draft.count, draft.taken, 0, 0, 0, 0, 0];
    head.into_iter().chain(draft.values.iter().flat_map(|value| float(f64::from(*value)))).collect()
}

fn put(draft: &mut Draft, place: u16, word: u16) {
    match place {
        0 | 1 => draft.begin_s = with_half(draft.begin_s, place, word),
        STEP_S => draft.step_s = word,
        COUNT => draft.count = word,
        // Nothing stands between head and values.
        _ => {
            let Some(beyond) = place.checked_sub(VALUES) else { return };
            if let Some(value) = draft.values.get_mut(usize::from(beyond / 2)) {
                *value = f32::from_bits(with_half(value.to_bits(), beyond % 2, word));
            }
        }
    }
}

const fn halves(number: u32) -> [u16; 2] {
    [(number >> 16) as u16, number as u16]
}

/// With its high half (0) or its low one replaced.
const fn with_half(number: u32, half: u16, word: u16) -> u32 {
    match half {
        0 => (word as u32) << 16 | number & 0xFFFF,
        _ => number & 0xFFFF_0000 | word as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecasts::{Take, Told};
    use memg_core::command::{Means, Role};
    use std::sync::{Arc, Mutex};

    const IMPORT_PRICE: u16 = FIRST + 4 * STRIDE;

    fn bench() -> (Forecasts, Arc<Mutex<Vec<Told>>>) {
        let taken: Arc<Mutex<Vec<Told>>> = Arc::default();
        let into = Arc::clone(&taken);
        let take = Take(Arc::new(move |told| into.lock().expect("a list").push(told.clone())));
        (Forecasts::new(&[Quantity::ImportPrice], take), taken)
    }

    fn principal(role: Role, authenticated: bool) -> Principal {
        Principal { name: "market".into(), role, means: Means::ModbusServer, authenticated }
    }

    #[test]
    fn a_forecast_counts_when_it_is_whole_and_not_before() {
        let (forecasts, taken) = bench();
        let by = principal(Role::Operator, true);
        let values = [float(0.25), float(f64::NAN), float(-0.5)].concat();
        write(&forecasts, &by, IMPORT_PRICE + VALUES, &values).expect("values");
        write(&forecasts, &by, IMPORT_PRICE, &[0x6553, 0xF100, 900, 3]).expect("a head");
        assert!(taken.lock().expect("a list").is_empty());
        write(&forecasts, &by, IMPORT_PRICE + TAKE, &[1]).expect("taken");
        let told = taken.lock().expect("a list").pop().expect("a forecast");
        assert_eq!((told.begin_s, told.step_s), (1_700_000_000, 900));
        assert_eq!(told.values, [Some(0.25), None, Some(-0.5)]);
        assert_eq!(read(&forecasts, &by, IMPORT_PRICE, 5), Some(vec![0x6553, 0xF100, 900, 3, 3]));
        assert_eq!(read(&forecasts, &by, IMPORT_PRICE + VALUES, 6), Some(values));
    }

    #[test]
    fn what_cannot_be_is_refused_and_changes_nothing() {
        let (forecasts, taken) = bench();
        let by = principal(Role::Operator, true);
        let tell = |head: [u16; 5], value: f64| {
            let _ = write(&forecasts, &by, IMPORT_PRICE + VALUES, &float(value));
            write(&forecasts, &by, IMPORT_PRICE, &head)
        };
        for (head, value) in [
            ([1, 0, 900, 0, 1], 0.1),
            ([1, 0, 900, 433, 1], 0.1),
            ([1, 0, 59, 1, 1], 0.1),
            ([1, 0, 43_201, 1, 1], 0.1),
            ([1, 0, 900, 1, 2], 0.1),
            ([1, 0, 900, 1, 1], 101.0),
            ([0, 0, 900, 1, 1], 0.1),
            ([1, 0, 900, 1, 1], f64::NAN),
        ] {
            assert!(matches!(tell(head, value), Err(Refusal::OutOfRange(_))), "{head:?} {value}");
        }
        for (who, first) in [(principal(Role::Guard, true), 0), (principal(Role::Operator, false), 0)] {
            assert!(matches!(write(&forecasts, &who, IMPORT_PRICE + first, &[0]), Err(Refusal::Forbidden(_))));
        }
        let beyond = [FIRST, FIRST - 1, FIRST + 6 * STRIDE, IMPORT_PRICE + LENGTH, 65_535];
        for first in beyond {
            assert_eq!(write(&forecasts, &by, first, &[0]), Err(Refusal::NotWritable), "{first}");
            assert_eq!(read(&forecasts, &by, first, 1), None, "{first}");
        }
        assert!(taken.lock().expect("a list").is_empty());
    }

    #[test]
    fn two_services_do_not_mix_their_drafts() {
        let (forecasts, _) = bench();
        let (one, other) =
            (principal(Role::Operator, true), Principal { name: "weather".into(), ..principal(Role::Operator, true) });
        write(&forecasts, &one, IMPORT_PRICE + STEP_S, &[900]).expect("a step");
        assert_eq!(read(&forecasts, &other, IMPORT_PRICE + STEP_S, 1), Some(vec![0]));
    }
}
