//! The site file of `gateway init`.

use std::fmt::Write;

/// Minimum and rated power, kW.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChpSize {
    /// Lowest power at which it runs.
    pub min_kw: f64,
    /// Rated power.
    pub max_kw: f64,
}

/// What a plant has, as its owner states it. Powers in kW, energy in kWh.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sizes {
    /// Capacity and power of each battery.
    pub batteries: Vec<(f64, f64)>,
    /// Each CHP.
    pub chps: Vec<ChpSize>,
    /// Each PV.
    pub pv_kw: Vec<f64>,
    /// Each wind turbine.
    pub wind_kw: Vec<f64>,
    /// Rated heat of the boiler.
    pub boiler_kw: Option<f64>,
    /// Smallest and largest electric load.
    pub load_kw: (f64, f64),
    /// Largest heat demand.
    pub heat_kw: Option<f64>,
    /// Largest import and export.
    pub grid_kw: (f64, f64),
}

/// The site file, every assumption marked as one.
#[must_use]
pub fn site_text(sizes: &Sizes) -> String {
    let mut text = String::from(
        "# Limits of the plant, written by `gateway init`. Lines marked ASSUMED are usual values: replace them by those of your\n\
         # equipment and contract. Signs: battery + = charging, grid + = importing. Powers in kW, energy in kWh.\n\n\
         [plant]\nstep_h = 0.25                      # the policy is asked once per step\n",
    );
    let several =
        |count: usize, name: &str| if count > 1 { format!("[[plant.{name}]]") } else { format!("[plant.{name}]") };
    for (capacity, power) in &sizes.batteries {
        let table = several(sizes.batteries.len(), "battery");
        let _ = write!(
            text,
            "\n{table}\ncapacity_kwh = {capacity:?}\ncharge_kw_max = {power:?}\ndischarge_kw_max = {power:?}\n\
             efficiency_store = 0.95            # ASSUMED\nefficiency_dispatch = 0.95         # ASSUMED\n\
             soc_min = 0.1                      # ASSUMED\nsoc_max = 0.9                      # ASSUMED\n\
             ramp_kw_per_step = {power:?}            # ASSUMED: it moves at once\nwear_eur_per_kwh = 0.01            # ASSUMED\n"
        );
    }
    for ChpSize { min_kw, max_kw } in &sizes.chps {
        let table = several(sizes.chps.len(), "chp");
        let _ = write!(
            text,
            "\n{table}\np_kw_min = {min_kw:?}\np_kw_max = {max_kw:?}\nramp_kw_per_step = {max_kw:?}            # ASSUMED\n\
             min_up_steps = 4                   # ASSUMED: an hour\nmin_down_steps = 4                 # ASSUMED\n\
             efficiency_electric = 0.33         # ASSUMED\nheat_per_power = 1.6               # ASSUMED\n\
             start_cost_eur = 2.0               # ASSUMED\n"
        );
    }
    if let Some(kw) = sizes.boiler_kw {
        let _ = write!(text, "\n[plant.boiler]\nq_kw_max = {kw:?}\nefficiency = 0.9                   # ASSUMED\n");
    }
    rest(&mut text, sizes);
    text
}

fn rest(text: &mut String, sizes: &Sizes) {
    let (import, export) = sizes.grid_kw;
    let _ = write!(
        text,
        "\n[plant.grid]\nimport_kw_max = {import:?}\nexport_kw_max = {export:?}\nvoltage_pu_min = 0.9               # ASSUMED: EN 50160\n\
         voltage_pu_max = 1.1               # ASSUMED\nresistance_pu = 0.02               # ASSUMED: `gateway calibrate` finds it\n\
         reactance_pu = 0.015               # ASSUMED\nbase_kva = {:?}\n",
        import.max(export).max(1.0)
    );
    text.push_str(
        "\n[plant.frequency]\nhz_nominal = 50.0\nhz_min = 49.5                      # outside only moves that correct the frequency\n\
         hz_max = 50.5\ndead_band_hz = 0.01\nfull_response_hz = 0.2\n\n[plant.exogenous]                  # bounds inside which the filter's promise holds\n",
    );
    let rated = |list: &[f64]| match list {
        [one] => format!("{one:?}"),
        some => format!("{some:?}"),
    };
    for (name, list) in [("pv_kw_nom", &sizes.pv_kw), ("wind_kw_nom", &sizes.wind_kw)] {
        if !list.is_empty() {
            let _ = writeln!(text, "{name} = {}", rated(list));
        }
    }
    let (low, high) = sizes.load_kw;
    let _ = writeln!(text, "electric_load_kw_min = {low:?}\nelectric_load_kw_max = {high:?}");
    if let Some(kw) = sizes.heat_kw {
        let _ = writeln!(text, "heat_load_kw_max = {kw:?}");
    }
    text.push_str(
        "\n[plant.costs]\ngas_eur_per_kwh = 0.08             # ASSUMED\nunserved_eur_per_kwh = 10.0\nunserved_heat_eur_per_kwh = 1.0\n\
         fixed_import_eur_per_kwh = 0.28    # ASSUMED: stands in for a price that nobody tells\n\
         fixed_export_eur_per_kwh = 0.08    # ASSUMED\n\n[plant.filter_weights]             # norm in which the filter looks for the nearest point\n\
         battery = 1.0\nchp = 4.0\ngrid = 0.1\n\n[plant.margins]                    # errors of the meters, by which limits are tightened\n\
         power_kw = 0.3                     # ASSUMED\nsoc = 0.005                        # ASSUMED\nvoltage_pu = 0.005                 # ASSUMED\n\
         dead_band_kw = 0.5\nfilter_s = 60.0\n",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_writes_is_an_accepted_plant() {
        let dir = tempfile::tempdir().unwrap();
        let battery =
            Sizes { batteries: vec![(80.0, 40.0)], load_kw: (2.0, 50.0), grid_kw: (60.0, 40.0), ..Sizes::default() };
        let chp = ChpSize { min_kw: 20.0, max_kw: 20.0 };
        let all = Sizes {
            batteries: vec![(80.0, 40.0), (20.0, 10.0)],
            chps: vec![chp, chp],
            pv_kw: vec![30.0, 10.0],
            wind_kw: vec![40.0],
            boiler_kw: Some(100.0),
            heat_kw: Some(120.0),
            ..battery.clone()
        };
        for (n, sizes) in [battery, all].iter().enumerate() {
            let path = dir.path().join(format!("{n}.toml"));
            std::fs::write(&path, site_text(sizes)).unwrap();
            let site = memg_settings::read_site(&path);
            assert!(site.is_ok(), "{:?}", site.map_err(|p| p.iter().map(ToString::to_string).collect::<Vec<_>>()));
        }
    }
}
