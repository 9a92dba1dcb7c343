//! What a master has been shown, and what has changed enough since then to be told of its own accord.

use crate::objects::{Form, Object};

/// A number is told again when it has moved by this part of what was told last ...
const RELATIVE: f64 = 0.002;

/// ... and by at least this much in its unit.
fn absolute(unit: &str) -> f64 {
    match unit {
        "kW" | "kvar" | "kWh" => 0.05,
        "Hz" => 0.005,
        "EUR" => 0.01,
        _ => 0.000_5,
    }
}

/// Objects as told last, in the order of the station's points.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    last: Vec<Object>,
}

impl Shown {
    /// All of them were told.
    pub fn all(&mut self, objects: &[Object]) {
        self.last = objects.to_vec();
    }

    /// Those that differ by more than their dead band; they count as told. `units` are theirs, in the same order.
    pub fn changes<'a>(&mut self, objects: &[Object], units: impl Iterator<Item = &'a str>) -> Vec<Object> {
        let mut changed = Vec::new();
        for ((last, object), unit) in self.last.iter_mut().zip(objects).zip(units) {
            if differs(last, object, unit) {
                *last = *object;
                changed.push(*object);
            }
        }
        changed
    }
}

fn differs(last: &Object, object: &Object, unit: &str) -> bool {
    if last.trust != object.trust {
        return true;
    }
    match (last.value, object.value) {
        (Some(before), Some(now)) if object.form == Form::Float => {
            let band = absolute(unit).max(RELATIVE * before.abs());
            (now - before).abs() >= band
        }
        (before, now) => before != now,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use memg_north::wires::Trust;

    fn float(value: Option<f64>, trust: Trust) -> Object {
        Object { number: 100, form: Form::Float, value, trust }
    }

    #[test]
    fn what_moves_within_its_dead_band_is_not_told_and_does_not_creep() {
        let good = |value| float(Some(value), Trust::Good);
        let mut shown = Shown::default();
        shown.all(&[good(100.0)]);
        let mut told = Vec::new();
        for tenth in 0..=10 {
            let now = 100.0 + f64::from(tenth) * 0.1;
            told.extend(shown.changes(&[good(now)], ["kW"].into_iter()).iter().map(|object| object.value.unwrap()));
        }
        // 0.2 % of 100 kW; then from what was told.
        assert_eq!(told, [100.2, 100.5, 100.8]);
    }

    #[test]
    fn quality_and_what_becomes_known_are_always_told() {
        let rows = [
            (float(Some(1.0), Trust::Good), float(Some(1.0), Trust::Bad), true),
            (float(None, Trust::Never), float(Some(0.0), Trust::Good), true),
            (float(None, Trust::Never), float(None, Trust::Never), false),
            (float(Some(0.0), Trust::Good), float(Some(0.05), Trust::Good), true),
            (float(Some(0.0), Trust::Good), float(Some(0.04), Trust::Good), false),
        ];
        for (before, now, expected) in rows {
            let mut shown = Shown::default();
            shown.all(&[before]);
            assert_eq!(!shown.changes(&[now], ["kW"].into_iter()).is_empty(), expected, "{before:?} {now:?}");
        }
        let state = |value| Object { form: Form::Scaled, ..float(Some(value), Trust::Good) };
        assert!(differs(&state(2.0), &state(3.0), "") && !differs(&state(2.0), &state(2.0), ""));
    }
}
