//! Physical quantities as types, so that a unit error does not compile.
//!
//! Responsible for: one newtype per unit with private field, and only those products that mean something
//! (`Kilowatts * Hours -> KilowattHours`, `KilowattHours * EurPerKwh -> Eur`). Not responsible for ranges: a
//! quantity may be NaN until it has passed [`crate::measurement`].
//!
//! [`Watts`] is the unit of decisions: whole watts are what goes on the wire, so limits proved in watts are exact.

use serde::{Deserialize, Serialize};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $unit:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(f64);

        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(0.0);
            /// Wraps a number that is already in this unit.
            #[must_use]
            pub const fn new(value: f64) -> Self { Self(value) }
            /// The number, in this unit.
            #[must_use]
            pub const fn get(self) -> f64 { self.0 }
            /// Neither NaN nor infinite.
            #[must_use]
            pub const fn is_finite(self) -> bool { self.0.is_finite() }
            /// The larger of the two (the other one if one is NaN).
            #[must_use]
            pub const fn max(self, other: Self) -> Self { Self(self.0.max(other.0)) }
            /// The smaller of the two (the other one if one is NaN).
            #[must_use]
            pub const fn min(self, other: Self) -> Self { Self(self.0.min(other.0)) }
            /// Absolute value.
            #[must_use]
            pub const fn abs(self) -> Self { Self(self.0.abs()) }
        }
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                if let Some(precision) = f.precision() {
                    write!(f, "{:.*} {}", precision, self.0, $unit)
                } else {
                    write!(f, "{} {}", self.0, $unit)
                }
            }
        }
        impl core::ops::Add for $name { type Output = Self; fn add(self, o: Self) -> Self { Self(self.0 + o.0) } }
        impl core::ops::Sub for $name { type Output = Self; fn sub(self, o: Self) -> Self { Self(self.0 - o.0) } }
        impl core::ops::Neg for $name { type Output = Self; fn neg(self) -> Self { Self(-self.0) } }
        impl core::ops::AddAssign for $name { fn add_assign(&mut self, o: Self) { self.0 += o.0; } }
        impl core::ops::Mul<f64> for $name { type Output = Self; fn mul(self, k: f64) -> Self { Self(self.0 * k) } }
        impl core::ops::Div<f64> for $name { type Output = Self; fn div(self, k: f64) -> Self { Self(self.0 / k) } }
        impl core::ops::Div for $name { type Output = f64; fn div(self, o: Self) -> f64 { self.0 / o.0 } }
        impl core::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(iter: I) -> Self { Self(iter.map(|q| q.0).sum()) }
        }
    };
}

macro_rules! product {
    ($a:ident * $b:ident = $c:ident) => {
        impl core::ops::Mul<$b> for $a {
            type Output = $c;
            fn mul(self, other: $b) -> $c {
                $c(self.0 * other.0)
            }
        }
    };
}

quantity!(/// Electric power in kW.
    Kilowatts, "kW");
quantity!(/// Thermal power in kW; a type of its own, so that heat and electricity do not add up by accident.
    KilowattsThermal, "kW_th");
quantity!(/// Fuel power in kW (lower heating value).
    KilowattsGas, "kW_gas");
quantity!(/// Electric energy in kWh.
    KilowattHours, "kWh");
quantity!(/// Thermal energy in kWh.
    KilowattHoursThermal, "kWh_th");
quantity!(/// Fuel energy in kWh.
    KilowattHoursGas, "kWh_gas");
quantity!(/// Duration in hours.
    Hours, "h");
quantity!(/// Money in EUR; cost is positive.
    Eur, "EUR");
quantity!(/// Price of electric energy in EUR/kWh; may be negative.
    EurPerKwh, "EUR/kWh");
quantity!(/// Price of fuel in EUR/kWh.
    EurPerKwhGas, "EUR/kWh_gas");
quantity!(/// A quantity relative to its base (voltage: nominal voltage).
    PerUnit, "pu");
quantity!(/// Frequency in Hz.
    Hertz, "Hz");
quantity!(/// State of charge, 0 = empty, 1 = full.
    Soc, "");

product!(Kilowatts * Hours = KilowattHours);
product!(KilowattsThermal * Hours = KilowattHoursThermal);
product!(KilowattsGas * Hours = KilowattHoursGas);
product!(KilowattHours * EurPerKwh = Eur);
product!(KilowattHoursGas * EurPerKwhGas = Eur);

/// Electric power in whole watts: the resolution of every decision and of every register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Watts(i64);

/// Powers beyond this bound (1 GW) saturate on conversion; no plant of this project comes near.
const WATTS_LIMIT: f64 = 1.0e9;

impl Watts {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// Wraps whole watts.
    #[must_use]
    pub const fn new(watts: i64) -> Self {
        Self(watts)
    }

    /// Whole watts.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Nearest whole watt; NaN becomes 0 and infinities saturate at 1 GW. Callers that must tell NaN apart check first.
    #[must_use]
    pub fn nearest(power: Kilowatts) -> Self {
        Self(round_to_integer(power.0 * 1000.0))
    }

    /// Largest whole watt not above `power`, where values within 1e-6 W of a whole watt count as that watt.
    #[must_use]
    pub fn floor(power: Kilowatts) -> Self {
        Self(floor_to_integer(power.0 * 1000.0 + 1e-6))
    }

    /// Smallest whole watt not below `power`, where values within 1e-6 W of a whole watt count as that watt.
    #[must_use]
    pub fn ceil(power: Kilowatts) -> Self {
        Self(-floor_to_integer(-(power.0 * 1000.0 - 1e-6)))
    }

    /// The same power in kW. Exact to the last bit for |power| < 9e12 W.
    #[must_use]
    pub fn kilowatts(self) -> Kilowatts {
        Kilowatts(to_float(self.0) / 1000.0)
    }

    /// Watts as a float, for arithmetic inside the filter.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        to_float(self.0)
    }

    /// Absolute value.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// Restricts to `[low, high]`; `low` wins if the two are crossed (no panic, unlike [`Ord::clamp`]).
    #[must_use]
    pub fn within(self, low: Self, high: Self) -> Self {
        self.min(high).max(low)
    }
}

impl core::ops::Add for Watts {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self(self.0.saturating_add(o.0))
    }
}
impl core::ops::Sub for Watts {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        Self(self.0.saturating_sub(o.0))
    }
}
impl core::ops::Neg for Watts {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}
impl core::iter::Sum for Watts {
    fn sum<I: Iterator<Item = Self>>(watts: I) -> Self {
        watts.fold(Self::ZERO, |sum, next| sum + next)
    }
}

impl core::fmt::Display for Watts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} W", self.0)
    }
}

/// Float to integer, saturating at ±1e9; NaN becomes 0. The one place where a float becomes an integer.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "bounded by clamp, NaN handled")]
pub(crate) fn to_integer(value: f64) -> i64 {
    if value.is_nan() { 0 } else { value.clamp(-WATTS_LIMIT, WATTS_LIMIT) as i64 }
}

/// Floor, saturating at ±1e9; NaN becomes 0. In integers, because the baseline x86-64 has no instruction for it in floats.
pub(crate) fn floor_to_integer(value: f64) -> i64 {
    let towards_zero = to_integer(value);
    towards_zero - i64::from(to_float(towards_zero) > value && value > -WATTS_LIMIT)
}

/// Nearest integer, halves away from zero, saturating at ±1e9; NaN becomes 0.
fn round_to_integer(value: f64) -> i64 {
    let towards_zero = to_integer(value);
    // Exact: both are below 2^30 or equal.
    let rest = value - to_float(towards_zero);
    if value.abs() >= WATTS_LIMIT {
        towards_zero
    } else {
        towards_zero + i64::from(rest >= 0.5) - i64::from(rest <= -0.5)
    }
}

/// Integer to float. Exact below 2^53.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "callers stay far below 2^53")]
pub(crate) const fn to_float(value: i64) -> f64 {
    value as f64
}

/// f64 to the networks' f32. The one place where precision is dropped on purpose.
#[must_use]
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "the networks are f32 by contract")]
pub const fn narrow(value: f64) -> f32 {
    value as f32
}

/// Power into a battery. Constructed and read by direction, so that no caller has to remember the sign.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct BatteryPower(Kilowatts);

impl BatteryPower {
    /// `kw` >= 0 flowing into the battery.
    #[must_use]
    pub const fn charging(kw: Kilowatts) -> Self {
        Self(kw)
    }
    /// `kw` >= 0 flowing out of the battery.
    #[must_use]
    pub fn discharging(kw: Kilowatts) -> Self {
        Self(-kw)
    }
    /// From the project's sign: + = charging.
    #[must_use]
    pub const fn from_signed(kw: Kilowatts) -> Self {
        Self(kw)
    }
    /// + = charging.
    #[must_use]
    pub const fn signed(self) -> Kilowatts {
        self.0
    }
    /// Charging part, >= 0.
    #[must_use]
    pub const fn charge(self) -> Kilowatts {
        self.0.max(Kilowatts::ZERO)
    }
    /// Discharging part, >= 0.
    #[must_use]
    pub fn discharge(self) -> Kilowatts {
        (-self.0).max(Kilowatts::ZERO)
    }
}

/// Power at the grid connection. Constructed and read by direction.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct GridPower(Kilowatts);

impl GridPower {
    /// `kw` >= 0 taken from the grid.
    #[must_use]
    pub const fn importing(kw: Kilowatts) -> Self {
        Self(kw)
    }
    /// `kw` >= 0 fed into the grid.
    #[must_use]
    pub fn exporting(kw: Kilowatts) -> Self {
        Self(-kw)
    }
    /// From the project's sign: + = importing.
    #[must_use]
    pub const fn from_signed(kw: Kilowatts) -> Self {
        Self(kw)
    }
    /// + = importing.
    #[must_use]
    pub const fn signed(self) -> Kilowatts {
        self.0
    }
    /// Importing part, >= 0.
    #[must_use]
    pub const fn import(self) -> Kilowatts {
        self.0.max(Kilowatts::ZERO)
    }
    /// Exporting part, >= 0.
    #[must_use]
    pub fn export(self) -> Kilowatts {
        (-self.0).max(Kilowatts::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_needs_a_duration_and_cost_needs_energy() {
        let energy: KilowattHours = Kilowatts::new(40.0) * Hours::new(0.25);
        let cost: Eur = energy * EurPerKwh::new(0.15);
        assert_eq!(energy.get(), 10.0);
        assert_eq!(cost.get(), 1.5);
    }

    #[test]
    fn rounding_to_watts_is_inward_and_forgives_float_noise() {
        for (kw, floor, ceil, nearest) in [
            (39.969, 39_969, 39_969, 39_969),
            (0.0004, 0, 1, 0),
            (-0.0006, -1, 0, -1),
            (1.0005, 1000, 1001, 1001),
            (f64::NAN, 0, 0, 0),
            (f64::INFINITY, 1_000_000_000, 1_000_000_000, 1_000_000_000),
        ] {
            let power = Kilowatts::new(kw);
            assert_eq!(Watts::floor(power).get(), floor, "floor of {kw}");
            assert_eq!(Watts::ceil(power).get(), ceil, "ceil of {kw}");
            assert_eq!(Watts::nearest(power).get(), nearest, "nearest of {kw}");
        }
    }

    #[test]
    fn integer_rounding_agrees_with_floats() {
        let mut value = 0.499_999_999_999_999_94;
        for i in 0..200_000u32 {
            for v in [value, -value] {
                assert_eq!(to_float(floor_to_integer(v)), v.clamp(-WATTS_LIMIT, WATTS_LIMIT).floor(), "{v}");
                assert_eq!(to_float(round_to_integer(v)), v.clamp(-WATTS_LIMIT, WATTS_LIMIT).round(), "{v}");
            }
            value = if i % 2 == 0 { f64::from(i) * 0.25 } else { value * 1.7 + 0.1 };
        }
        assert_eq!((floor_to_integer(f64::NAN), round_to_integer(f64::NEG_INFINITY)), (0, -1_000_000_000));
    }

    #[test]
    fn directions_have_one_sign() {
        assert_eq!(BatteryPower::discharging(Kilowatts::new(7.0)).signed(), Kilowatts::new(-7.0));
        assert_eq!(GridPower::exporting(Kilowatts::new(7.0)).export(), Kilowatts::new(7.0));
        assert_eq!(GridPower::exporting(Kilowatts::new(7.0)).import(), Kilowatts::ZERO);
    }
}
