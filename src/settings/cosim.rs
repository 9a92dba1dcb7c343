//! The table `[cosim]`: the plant is a simulator that keeps time over MQTT, in lock-step.
//!
//! A simulator that keeps no step (free-running) needs none of this: it publishes the topics of `[[mqtt.inputs]]`.

use super::{DemoSettings, Loader};
use memg_cosim::lockstep::settings::{LockstepSettings, validate};
use memg_plant_io::device::Device;
use memg_plant_io::mqtt::settings::MqttSettings;
use memg_plant_io::problem::Problem;

pub(super) fn cosim(loader: &mut Loader) -> Option<LockstepSettings> {
    let table = loader.layers.take("cosim")?;
    validate(table).map_err(|problems| loader.problems.extend(problems)).ok()
}

/// What stands beside `[cosim]`.
pub(super) struct Beside<'a> {
    /// The plant is simulated.
    pub simulated: bool,
    /// `[mqtt]`.
    pub mqtt: Option<&'a MqttSettings>,
    /// `[demo]`.
    pub demo: Option<&'a DemoSettings>,
    /// `[[device]]`.
    pub devices: &'a [Device],
}

/// Lock-step has one source of measurements and one clock, the simulator: whatever else would measure or write is refused.
pub(super) fn problems(beside: &Beside<'_>) -> Vec<Problem> {
    let foreign = |key: &str| Problem::new(key, "cannot stand beside [cosim]: in lock-step the simulator is the plant");
    let mqtt = beside.mqtt;
    let rows = [
        (!beside.simulated, Problem::new("site.simulated", "must be true beside [cosim]: no real equipment is moved")),
        (mqtt.is_none(), Problem::new("cosim", "needs [mqtt] with host, client_id and prefix: where the simulator is")),
        (beside.demo.is_some(), foreign("demo")),
        (!beside.devices.is_empty(), foreign("device")),
        (mqtt.is_some_and(|mqtt| !mqtt.inputs.is_empty()), foreign("mqtt.inputs")),
        (mqtt.is_some_and(|mqtt| !mqtt.outlook.is_empty()), foreign("mqtt.outlook")),
        (mqtt.is_some_and(|mqtt| mqtt.commands.is_some()), foreign("mqtt.commands")),
    ];
    rows.into_iter().filter_map(|(wrong, problem)| wrong.then_some(problem)).collect()
}
