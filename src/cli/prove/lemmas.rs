//! The lemmas, in whole watts as the filter counts, and as their negations in SMT-LIB 2 (linear real arithmetic).
//!
//! Signs: battery + = charging, exchange + = importing. With `k` the state of charge gained per watt-hour and `r` the battery's ramp, the
//! filter admits a charging power P for the rest `d` of a step iff `soc + k (d P + h S(P)) <= soc_max`,
//! `S(P) = (P-r)⁺ + (P-2r)⁺ + …` (`core/src/constraint/battery.rs`).

use memg_core::equipment::{BatteryUnit, Plant};
use memg_core::units::{Kilowatts, Watts};
use std::fmt::Write as _;

/// Terms of the braking sum that are written out; a battery that brakes longer is left to arithmetic.
const TERMS_MAX: i64 = 60;

/// A lemma with this site's numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lemma {
    /// Its name, which is that of its file, too.
    pub name: String,
    /// What it says here.
    pub words: Vec<String>,
    /// It holds as arithmetic.
    pub holds: bool,
    /// Its negation; `None`: too long to be written out.
    pub smt: Option<String>,
}

/// All of them.
pub(super) fn lemmas(plant: &Plant) -> Vec<Lemma> {
    let mut lemmas = vec![safe_stop(&Connection::of(plant))];
    for (index, unit) in plant.batteries().iter().enumerate() {
        for brake in [Brake::charging(unit, plant.step_h()), Brake::discharging(unit, plant.step_h())] {
            let name = format!("battery-{}-{}", index + 1, brake.name);
            lemmas.extend([stays(&name, &brake), brakes(&name, &brake)]);
        }
    }
    lemmas
}

/// The connection and what hangs on it, W.
#[derive(Debug, Clone)]
struct Connection {
    import_max: i64,
    export_max: i64,
    load: (i64, i64),
    chps: Vec<(i64, i64)>,
}

impl Connection {
    fn of(plant: &Plant) -> Self {
        let x = &plant.parameters().exogenous;
        let load_min = Watts::floor(Kilowatts::new(x.electric_load_kw_min)).get();
        let load_max = Watts::ceil(Kilowatts::new(x.electric_load_kw_max)).get();
        Self {
            import_max: plant.import_max().get(),
            export_max: plant.export_max().get(),
            load: (load_min, load_max),
            chps: plant.chps().iter().map(|chp| (chp.min.get(), chp.max.get())).collect(),
        }
    }
}

/// Battery at rest, CHPs as they are or off, renewables capped at 0: the connection is kept for every declared load. The load counts
/// with what sources draw. This is the point that exists in every state, so no step is without a qualifying one.
fn safe_stop(c: &Connection) -> Lemma {
    let rated: i64 = c.chps.iter().map(|(_, max)| max).sum();
    let (least, most) = c.load;
    let words = vec![
        format!("import at most: load {most} W <= {} W", c.import_max),
        format!("export at most: CHPs {rated} W - load {least} W = {} W <= {} W", rated - least, c.export_max),
    ];
    let mut smt = head("safe stop: no declared load and no state of the CHPs breaks the connection");
    let _ = writeln!(smt, "(declare-const load Real)\n(assert (<= {} load {}))", int(least), int(most));
    let mut sum = String::from("0.0");
    for (index, (min, max)) in c.chps.iter().enumerate() {
        let _ = writeln!(smt, "(declare-const chp{index} Real)");
        let _ = writeln!(smt, "(assert (or (= chp{index} 0.0) (<= {} chp{index} {})))", int(*min), int(*max));
        let _ = write!(sum, " chp{index}");
    }
    let _ = writeln!(smt, "(define-fun exchange () Real (- load (+ {sum} 0.0)))");
    let _ = writeln!(smt, "(assert (not (<= {} exchange {})))\n(check-sat)", int(-c.export_max), int(c.import_max));
    let holds = most <= c.import_max && rated - least <= c.export_max;
    Lemma { name: "safe-stop".to_owned(), words, holds, smt: Some(smt) }
}

/// One direction of a battery. SoC counts from the end of the band that it moves away from.
#[derive(Debug, Clone, Copy)]
struct Brake {
    name: &'static str,
    /// SoC per Wh.
    per_wh: f64,
    /// W.
    rating: i64,
    ramp: i64,
    /// Width of the band of SoC.
    band: f64,
    step_h: f64,
}

impl Brake {
    fn charging(unit: &BatteryUnit, step_h: f64) -> Self {
        Self::of(unit, step_h, ("charging", unit.soc_per_wh_charged, unit.charge_max))
    }

    fn discharging(unit: &BatteryUnit, step_h: f64) -> Self {
        Self::of(unit, step_h, ("discharging", unit.soc_per_wh_discharged, unit.discharge_max))
    }

    fn of(unit: &BatteryUnit, step_h: f64, (name, per_wh, rating): (&'static str, f64, Watts)) -> Self {
        let (low, high) = unit.soc_band();
        let band = high.get() - low.get();
        Self { name, per_wh, rating: rating.get(), ramp: unit.ramp.get(), band, step_h }
    }

    /// Terms of `S` that can differ from 0.
    fn terms(&self) -> i64 {
        if self.ramp <= 0 { 0 } else { (self.rating - 1).max(0) / self.ramp }
    }

    /// `S(P)`, W; in closed form, as a small ramp has many terms: `n P - r n (n + 1) / 2` with `n = floor(P / r)`.
    fn sum(&self, power: i64) -> i64 {
        let terms = power / self.ramp;
        terms * power - self.ramp * terms * (terms + 1) / 2
    }

    /// What lemmas of a battery share: its numbers, `S`, and a state whose power the filter admits.
    fn admitted(&self, what: &str) -> String {
        let mut smt = head(what);
        let _ = writeln!(smt, "(define-fun k () Real {})", real(self.per_wh));
        let _ = writeln!(smt, "(define-fun h () Real {})", real(self.step_h));
        let _ = writeln!(smt, "(define-fun band () Real {})", real(self.band));
        let _ = writeln!(smt, "(define-fun over ((x Real) (y Real)) Real (ite (> x y) (- x y) 0.0))");
        let terms = (1..=self.terms().min(TERMS_MAX)).map(|term| format!(" (over p {})", int(term * self.ramp)));
        let _ = writeln!(smt, "(define-fun s ((p Real)) Real (+ 0.0{} 0.0))", terms.collect::<String>());
        smt += "(declare-const soc Real)\n(declare-const p Real)\n";
        // A product of unknowns is not linear: `e` is the energy d P, at most h P.
        smt += "(declare-const e Real)\n";
        let _ = writeln!(smt, "(assert (and (<= 0.0 soc band) (<= 0.0 p {})))", int(self.rating));
        smt += "(assert (and (<= 0.0 e) (<= e (* h p))))\n(assert (<= (+ soc (* k (+ e (* h (s p))))) band))\n";
        smt
    }
}

/// An admitted power keeps the band until the step ends, so that the safe stop's lemma holds there, too.
fn stays(name: &str, brake: &Brake) -> Lemma {
    let mut smt = brake.admitted("an admitted power leaves the band of the state of charge before its step ends");
    smt += "(assert (not (<= 0.0 (+ soc (* k e)) band)))\n(check-sat)\n";
    let words = vec![format!(
        "{} W at most, {:.9} of the capacity a Wh, band {:.3} wide: what is admitted ends within it",
        brake.rating, brake.per_wh, brake.band
    )];
    // All that is added is positive: k, h, powers.
    let holds = brake.per_wh > 0.0 && brake.step_h > 0.0 && brake.band > 0.0 && brake.rating >= 0;
    Lemma { name: format!("{name}-stays"), words, holds, smt: Some(smt) }
}

/// At the end of the step the power that the ramp still allows is admitted for the whole step that follows: the ramp need not give way.
fn brakes(name: &str, brake: &Brake) -> Lemma {
    let mut smt = brake.admitted("after an admitted power the ramp forces one that is not admitted");
    let _ = writeln!(smt, "(define-fun next () Real (over p {}))", int(brake.ramp));
    smt += "(assert (not (<= (+ soc (* k e) (* k (+ (* h next) (* h (s next))))) band)))\n(check-sat)\n";
    let words = vec![format!(
        "ramp {} W a step: S(P) = P' + S(P') with P' = (P - ramp)⁺ at each of the {} corners of S, so at every power",
        brake.ramp,
        brake.terms() + 2
    )];
    let corners = (0..=brake.terms()).map(|term| term * brake.ramp).chain([brake.rating]);
    let same = |power: i64| {
        let next = (power - brake.ramp).max(0);
        brake.sum(power) == next + brake.sum(next)
    };
    let holds = brake.ramp > 0 && corners.into_iter().all(same);
    // With a part of the sum alone it would be another lemma.
    let smt = (brake.terms() <= TERMS_MAX).then_some(smt);
    Lemma { name: format!("{name}-brakes"), words, holds, smt }
}

fn head(what: &str) -> String {
    format!("; A model of this would be a counter-example: {what}.\n(set-logic QF_LRA)\n")
}

fn int(number: i64) -> String {
    if number < 0 { format!("(- {}.0)", number.unsigned_abs()) } else { format!("{number}.0") }
}

/// Exact to the last bit that can matter: 25 decimals.
fn real(number: f64) -> String {
    if number < 0.0 { format!("(- {:.25})", -number) } else { format!("{number:.25}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lemma_holds_at_the_reference_plant_and_names_its_numbers() {
        let lemmas = lemmas(&Plant::reference());
        let names: Vec<&str> = lemmas.iter().map(|lemma| lemma.name.as_str()).collect();
        let [charging, discharging] = ["charging", "discharging"].map(|way| format!("battery-1-{way}"));
        let expected = [&charging, &discharging].map(|way| [format!("{way}-stays"), format!("{way}-brakes")]).concat();
        assert_eq!(names[0], "safe-stop");
        assert_eq!(names[1..], expected);
        assert!(lemmas.iter().all(|lemma| lemma.holds), "{lemmas:#?}");
        assert!(lemmas[0].words[0].contains("<= 100000 W"), "{:?}", lemmas[0].words);
    }

    #[test]
    fn a_connection_that_a_safe_stop_would_break_is_seen() {
        let connection = Connection { import_max: 100, export_max: 50, load: (10, 100), chps: vec![(20, 60)] };
        let rows = [
            (connection.clone(), true),
            (Connection { load: (10, 101), ..connection.clone() }, false),
            (Connection { load: (9, 100), ..connection.clone() }, false),
            (Connection { chps: vec![(20, 40), (20, 40)], ..connection }, false),
        ];
        for (connection, holds) in rows {
            assert_eq!(safe_stop(&connection).holds, holds, "{connection:?}");
        }
    }

    #[test]
    fn the_braking_sum_is_that_of_its_definition() {
        let brake = Brake { name: "charging", per_wh: 1e-5, rating: 25_000, ramp: 10_000, band: 0.8, step_h: 0.25 };
        let defined = |power: i64| (1..=9).map(|term| (power - term * brake.ramp).max(0)).sum::<i64>();
        assert!((0..=25_000).all(|power| brake.sum(power) == defined(power)));
        assert!(brakes("b", &brake).holds && !brakes("b", &Brake { ramp: 0, ..brake }).holds);
    }
}
