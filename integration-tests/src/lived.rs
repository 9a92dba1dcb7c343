//! What a journal says of a day that was lived.

use memg_core::equipment::{Battery, Plant};
use memg_core::units::{Soc, Watts};
use memg_gateway::control::journal::{Entry, Reader};
use std::path::Path;

/// Each battery of a plant kept its band, see below.
///
/// # Panics
/// One did not.
pub fn batteries_stayed_within_their_bands(site: &str, plant: &Plant, journal: &Path) {
    let margin = plant.parameters().margins.soc;
    for (number, unit) in plant.batteries().iter().enumerate() {
        check_battery(site, number, (&unit.parameters, margin), journal);
    }
}

/// Whatever the machine's pauses: a battery beyond its band by more than the margin that the site declares for its meter is
/// never told to go further out, and it is beyond by no more than its rating moves in two of the longest pauses between cycles
/// (one until it is seen, one until it is written). Within the margin the state of charge is estimated from meter and energy, and
/// that estimate cannot know how power moved in a pause.
fn check_battery(site: &str, number: usize, (unit, margin): (&Battery, f64), journal: &Path) {
    let (mut longest_ms, mut before_ms) = (0, None);
    let (mut lowest, mut highest) = (f64::INFINITY, f64::NEG_INFINITY);
    for entry in Reader::open(journal).expect("a journal") {
        let Entry::Cycle(record, _) = entry.expect("a whole line") else { continue };
        let now_ms = record.input.uptime_ms;
        longest_ms = longest_ms.max(now_ms - before_ms.replace(now_ms).unwrap_or(now_ms));
        let Some(soc) = record.input.state.batteries[number].soc.usable().map(Soc::get) else { continue };
        let power = record.memory.batteries[number].now;
        assert!(soc >= unit.soc_min - margin || power >= Watts::ZERO, "{site}: battery {number} at {soc}: {power}");
        assert!(soc <= unit.soc_max + margin || power <= Watts::ZERO, "{site}: battery {number} at {soc}: {power}");
        (lowest, highest) = (lowest.min(soc), highest.max(soc));
    }
    let hours = 2.0 * longest_ms as f64 / 3_600_000.0;
    let (out_kw, in_kw) =
        (unit.discharge_kw_max / unit.efficiency_dispatch, unit.charge_kw_max * unit.efficiency_store);
    let (least, most) =
        (unit.soc_min - out_kw * hours / unit.capacity_kwh, unit.soc_max + in_kw * hours / unit.capacity_kwh);
    assert!(lowest >= least && highest <= most, "{site}: battery {number} from {lowest} to {highest}: {longest_ms} ms");
}
