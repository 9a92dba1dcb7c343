//! Device files of the promise plant.

use crate::promise_plant::{BATTERY_SETPOINT, CHP_RUN, CHP_SETPOINT};
use std::fmt::Write as _;

/// A meter of one signal.
pub(crate) fn meter(signal: &str, unit: &str, range: &str) -> String {
    let kind = if unit.is_empty() { "type = 'bool'".to_owned() } else { format!("type = 'f32'\nunit = '{unit}'") };
    format!(
        "[device]\nmaker = 'Promise'\nmodel = 'meter'\naddress_base = 0\npoll_s = 0.1\n[[point]]\nname = 'value'\n\
         table = 'holding'\naddress = 0\n{kind}\nrange = {range}\nage_max_s = 10\nsignal = '{signal}'\n"
    )
}

/// What takes set-points.
pub(crate) fn actuators(name: &str) -> String {
    let setpoint = if name == "chp" { CHP_SETPOINT } else { BATTERY_SETPOINT };
    let mut text = format!(
        "[device]\nmaker = 'Promise'\nmodel = '{name}'\naddress_base = 0\npoll_s = 0.1\n[[point]]\n\
         name = '{name}_setpoint'\ntable = 'holding'\naddress = {setpoint}\ntype = 'f32'\nunit = 'kW'\n\
         write = {{ output = '{name}_setpoint_kw', range = [-100, 100], tolerance = 0.01, watchdog_s = 60 }}\n"
    );
    if name == "chp" {
        let _ = write!(
            text,
            "[[point]]\nname = 'chp_run'\ntable = 'holding'\naddress = {CHP_RUN}\ntype = 'u16'\n\
             write = {{ output = 'chp_run', range = [0, 1], off = 2, on = 1, tolerance = 0 }}\n"
        );
    }
    text
}
