//! Profiles: what the plant cannot choose, step by step. From CSV rows or from synthetic generators
//! ([`crate::synthetic`]).

mod ranges;
mod view;

pub use ranges::{Exceeding, WRONG_UNIT};
pub use view::{PUBLISHED_AT_H, ProfileView, published_steps};

use crate::calendar::LocalTime;
use crate::dispatch::Prices;
use crate::equipment::Plant;
use crate::series::Quantity;
use crate::situation::{Doubt, Situation};
use crate::units::{EurPerKwh, Hertz, Kilowatts, KilowattsThermal, PerUnit, Soc};
use ranges::{RANGES, Ranges};

/// Means over one step. Powers >= 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProfileRow {
    /// Start of the step.
    pub time: LocalTime,
    /// Available PV power, kW.
    pub pv_kw: f64,
    /// Available wind power, kW.
    pub wind_kw: f64,
    /// Electric load, kW.
    pub electric_load_kw: f64,
    /// Heat demand, kW thermal.
    pub heat_load_kw: f64,
    /// Import price, EUR/kWh.
    pub import_price: f64,
    /// Export price, EUR/kWh.
    pub export_price: f64,
    /// Voltage of the stiff grid, pu.
    pub grid_voltage_pu: f64,
    /// Grid frequency, Hz.
    pub frequency_hz: f64,
}

impl Default for ProfileRow {
    fn default() -> Self {
        Self {
            time: LocalTime::default(),
            pv_kw: 0.0,
            wind_kw: 0.0,
            electric_load_kw: 0.0,
            heat_load_kw: 0.0,
            import_price: 0.15,
            export_price: 0.08,
            grid_voltage_pu: 1.0,
            frequency_hz: 50.0,
        }
    }
}

impl ProfileRow {
    /// The situation of this row for a known state of charge.
    #[must_use]
    pub fn situation(&self, soc: Soc) -> Situation {
        Situation {
            pv: Kilowatts::new(self.pv_kw),
            wind: Kilowatts::new(self.wind_kw),
            electric_load: Kilowatts::new(self.electric_load_kw),
            heat_load: KilowattsThermal::new(self.heat_load_kw),
            soc,
            soc_low: soc,
            soc_high: soc,
            socs: None,
            source_voltage: PerUnit::new(self.grid_voltage_pu),
            reactive: Kilowatts::ZERO,
            frequency: Hertz::new(self.frequency_hz),
            import_price: EurPerKwh::new(self.import_price),
            export_price: EurPerKwh::new(self.export_price),
            local_hour: self.time.hour(),
            doubt: Doubt::NONE,
        }
    }

    /// Prices of this row.
    #[must_use]
    pub const fn prices(&self) -> Prices {
        Prices { import: EurPerKwh::new(self.import_price), export: EurPerKwh::new(self.export_price) }
    }

    /// The value of a quantity, in its unit.
    #[must_use]
    pub const fn quantity(&self, quantity: Quantity) -> f64 {
        match quantity {
            Quantity::Pv => self.pv_kw,
            Quantity::Wind => self.wind_kw,
            Quantity::ElectricLoad => self.electric_load_kw,
            Quantity::HeatLoad => self.heat_load_kw,
            Quantity::ImportPrice => self.import_price,
            Quantity::ExportPrice => self.export_price,
        }
    }

    fn values(&self) -> [f64; 8] {
        [
            self.pv_kw,
            self.wind_kw,
            self.electric_load_kw,
            self.heat_load_kw,
            self.import_price,
            self.export_price,
            self.grid_voltage_pu,
            self.frequency_hz,
        ]
    }
}

/// Names of the CSV columns: `time` and one per field of [`ProfileRow`].
pub const COLUMNS: [&str; 9] = [
    "time",
    "pv_kw",
    "wind_kw",
    "electric_load_kw",
    "heat_load_kw",
    "import_price_eur_per_kwh",
    "export_price_eur_per_kwh",
    "grid_voltage_pu",
    "frequency_hz",
];

/// What is wrong with a profile, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {column}: {expected}")]
pub struct ProfileError {
    /// Line in the file, the header is 1.
    pub line: usize,
    /// Column name.
    pub column: String,
    /// What was expected and what was found.
    pub expected: String,
}

fn error(line: usize, column: &str, expected: impl Into<String>) -> ProfileError {
    ProfileError { line, column: column.to_owned(), expected: expected.into() }
}

/// Rows in time order, in whole days; days may be missing between blocks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    rows: Vec<ProfileRow>,
}

impl Profile {
    /// Rows that are already known to be complete days (from a generator).
    #[must_use]
    pub const fn from_rows(rows: Vec<ProfileRow>) -> Self {
        Self { rows }
    }

    /// Parses CSV text with a header. Columns may come in any order; additional ones are ignored.
    ///
    /// # Errors
    /// The first line that is incomplete, not a number, out of range, out of order, or a hole within a day.
    pub fn parse_csv(text: &str, step_h: f64) -> Result<Self, ProfileError> {
        Self::parse_within(text, step_h, &RANGES)
    }

    /// The same in steps of a plant, within [`WRONG_UNIT`] times its ratings, and with zeros where it has nothing, see
    /// [`Profile::at`].
    ///
    /// # Errors
    /// As [`Profile::parse_csv`]; a power that no such plant can have is one in another unit.
    pub fn parse_for(text: &str, plant: &Plant) -> Result<Self, ProfileError> {
        Ok(Self::parse_within(text, plant.step_h(), &ranges::of(plant))?.at(plant))
    }

    fn parse_within(text: &str, step_h: f64, ranges: &Ranges) -> Result<Self, ProfileError> {
        let mut lines = text.lines().enumerate();
        let (_, header) = lines.next().ok_or_else(|| error(1, "header", "the file is empty"))?;
        let columns = locate_columns(header)?;
        let step_min = crate::units::to_integer((step_h * 60.0).round());
        let mut rows: Vec<ProfileRow> = Vec::new();
        for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let row = parse_row(index + 1, line, &columns, ranges)?;
            check_order(index + 1, rows.last(), &row, step_min)?;
            rows.push(row);
        }
        let last = rows.last().ok_or_else(|| error(2, "time", "no rows below the header"))?;
        if last.time.day_and_minute().1 + step_min != 1440 {
            return Err(error(text.lines().count(), "time", "the last day is not complete"));
        }
        Ok(Self { rows })
    }

    /// The same with zeros in the columns of what a plant does not have: PV, wind or heat of rating zero.
    #[must_use]
    pub fn at(mut self, plant: &Plant) -> Self {
        let x = plant.parameters().exogenous;
        let there = |value: f64, rating: f64| if rating > 0.0 { value } else { 0.0 };
        for row in &mut self.rows {
            row.pv_kw = there(row.pv_kw, x.pv_kw_nom);
            row.wind_kw = there(row.wind_kw, x.wind_kw_nom);
            row.heat_load_kw = there(row.heat_load_kw, x.heat_load_kw_max);
        }
        self
    }

    /// All rows.
    #[must_use]
    pub fn rows(&self) -> &[ProfileRow] {
        &self.rows
    }

    /// Row indices of each block: consecutive days, at most `block_days` of them if given.
    #[must_use]
    pub fn blocks(&self, block_days: Option<usize>) -> Vec<core::ops::Range<usize>> {
        self.blocks_among(block_days, |_| true)
    }

    /// The same of those days alone of whose rows `wanted` is true.
    #[must_use]
    pub fn blocks_among(
        &self,
        block_days: Option<usize>,
        wanted: impl Fn(&ProfileRow) -> bool,
    ) -> Vec<core::ops::Range<usize>> {
        let mut blocks: Vec<core::ops::Range<usize>> = Vec::new();
        let (mut days, mut previous) = (0, None);
        for (index, row) in self.rows.iter().enumerate().filter(|(_, row)| wanted(row)) {
            let (day, minute) = row.time.day_and_minute();
            let starts_day = minute == 0;
            let gap = previous.replace(day).is_none_or(|previous| starts_day && day != previous + 1);
            days += usize::from(starts_day);
            if gap || (starts_day && block_days.is_some_and(|n| days > n)) {
                blocks.push(index..index);
                days = 1;
            }
            if let Some(block) = blocks.last_mut() {
                block.end = index + 1;
            }
        }
        blocks
    }
}

fn locate_columns(header: &str) -> Result<[usize; 9], ProfileError> {
    let names: Vec<&str> = header.trim_start_matches('\u{feff}').split(',').map(str::trim).collect();
    let mut columns = [0; 9];
    for (slot, wanted) in columns.iter_mut().zip(COLUMNS) {
        *slot = names
            .iter()
            .position(|name| *name == wanted)
            .ok_or_else(|| error(1, wanted, format!("expected a column {wanted:?}, found {header:?}")))?;
    }
    Ok(columns)
}

fn parse_row(line: usize, text: &str, columns: &[usize; 9], ranges: &Ranges) -> Result<ProfileRow, ProfileError> {
    let cells: Vec<&str> = text.split(',').map(str::trim).collect();
    let mut values = [0.0; 8];
    let mut time = LocalTime::default();
    for (index, (column, name)) in columns.iter().zip(COLUMNS).enumerate() {
        let cell = cells.get(*column).ok_or_else(|| error(line, name, "the line has too few cells"))?;
        if index == 0 {
            time = LocalTime::parse(cell).ok_or_else(|| error(line, name, bad_time(cell)))?;
        } else if let Some((slot, range)) = values.get_mut(index - 1).zip(ranges.get(index - 1)) {
            *slot = parse_number(line, name, cell, *range)?;
        }
    }
    Ok(row_from(time, values))
}

/// What to do about a time that is none, or that nobody can place.
fn bad_time(cell: &str) -> String {
    let wanted = "expected a time like 2016-01-01T00:15:00+01:00";
    if LocalTime::parse(&format!("{cell}Z")).is_some() {
        return format!(
            "{wanted}, found {cell:?} without an offset from UTC: write the site's standard time with its offset (pandas: \
             index.tz_localize(ZONE).tz_convert(\"Etc/GMT-1\") for +01:00)"
        );
    }
    format!("{wanted}, found {cell:?}")
}

fn parse_number(line: usize, name: &str, cell: &str, (low, high): (f64, f64)) -> Result<f64, ProfileError> {
    let wanted = || error(line, name, format!("expected a number from {low} to {high}, found {cell:?}"));
    let value: f64 = cell.parse().map_err(|_| wanted())?;
    if value >= low && value <= high { Ok(value) } else { Err(wanted()) }
}

const fn row_from(time: LocalTime, values: [f64; 8]) -> ProfileRow {
    let [pv_kw, wind_kw, electric_load_kw, heat_load_kw, import_price, export_price, grid_voltage_pu, frequency_hz] =
        values;
    ProfileRow {
        time,
        pv_kw,
        wind_kw,
        electric_load_kw,
        heat_load_kw,
        import_price,
        export_price,
        grid_voltage_pu,
        frequency_hz,
    }
}

fn check_order(
    line: usize,
    previous: Option<&ProfileRow>,
    row: &ProfileRow,
    step_min: i64,
) -> Result<(), ProfileError> {
    let (_, minute) = row.time.day_and_minute();
    let Some(previous) = previous else {
        return if minute == 0 { Ok(()) } else { Err(error(line, "time", "the first row must be at 00:00")) };
    };
    let expected = previous.time.plus_minutes(step_min);
    let next_day = minute == 0 && expected.day_and_minute().1 == 0 && row.time.minute >= expected.minute;
    if row.time.minute == expected.minute || next_day {
        return Ok(());
    }
    if row.time.offset_min != previous.time.offset_min {
        return Err(error(line, "time", clock_change(&previous.time, &row.time)));
    }
    let what = if row.time.minute < expected.minute { "out of order" } else { "a hole in the day" };
    Err(error(line, "time", format!("{what}: expected {expected} (or 00:00 of a later day), found {}", row.time)))
}

/// Days have 24 hours in a profile: what to do about one that has 23 or 25.
fn clock_change(before: &LocalTime, after: &LocalTime) -> String {
    let (found, expected) = (after.to_string(), before.to_string());
    let [found, expected] = [found, expected].map(|time| time.get(19..).unwrap_or_default().to_owned());
    format!(
        "the clock changes here from {expected} to {found}, and the day has not 24 hours: expected one offset from UTC \
         throughout, that of standard time (pandas: index.tz_convert(\"Etc/GMT-1\") for +01:00)"
    )
}

impl ProfileRow {
    /// The row as a CSV line in the order of [`COLUMNS`].
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut line = self.time.to_string();
        for value in self.values() {
            line.push(',');
            line.push_str(&value.to_string());
        }
        line
    }
}

#[cfg(test)]
#[path = "profile_tests.rs"]
mod tests;
