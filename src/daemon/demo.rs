//! The demonstration: a virtual plant with its own broker inside the process, behind real Modbus TCP and MQTT.

use super::PlantClock;
use anyhow::{Context, Result, bail};
use memg_core::profile::Profile;
use memg_settings::{DemoSettings, SitePlant};
use memg_virtual_plant::{Options, VirtualPlant};
use std::sync::Arc;

/// A running virtual plant and what a configuration needs to reach it.
#[derive(Debug)]
pub struct Demo {
    plant: VirtualPlant,
    /// TOML to append to the configuration: devices and broker with their addresses.
    pub tables: String,
}

impl Demo {
    /// Starts the virtual plant. `faults` as on the command line of `gateway plant`.
    ///
    /// # Errors
    /// The profile or a fault is wrong, or no port can be opened.
    pub async fn start(
        settings: &DemoSettings,
        SitePlant { plant, sources }: SitePlant,
        speed: f64,
        site: &str,
        faults: &[String],
    ) -> Result<Self> {
        let text = std::fs::read_to_string(&settings.profile)
            .with_context(|| format!("cannot read the profile {}", settings.profile.display()))?;
        let profile = Profile::parse_for(&text, &plant).with_context(|| settings.profile.display().to_string())?;
        let start_row = first_row(&profile, settings.start.as_deref())?;
        let faults = faults.iter().map(|fault| fault.parse()).collect::<Result<_, _>>()?;
        let (seed, noise, sources) = (settings.seed, settings.noise, Some(sources));
        let options = Options { speed, start_row, seed, noise, faults, sources, ..Options::default() };
        let plant = VirtualPlant::start(plant, Arc::new(profile), options).await?;
        let mut tables = plant.device_tables().replace("unit_id = ", "poll_s = 0.05\nunit_id = ");
        tables.push_str(&broker(&plant, site).await?);
        Ok(Self { plant, tables })
    }

    /// Plant time follows the virtual plant.
    #[must_use]
    pub fn clock(&self) -> PlantClock {
        PlantClock::Virtual { snapshot: self.plant.watch() }
    }

    /// The virtual plant itself.
    #[must_use]
    pub const fn plant(&self) -> &VirtualPlant {
        &self.plant
    }

    /// Stops it.
    pub async fn shutdown(self) {
        self.plant.shutdown().await;
    }
}

fn first_row(profile: &Profile, start: Option<&str>) -> Result<usize> {
    let Some(start) = start else { return Ok(0) };
    let found = profile.rows().iter().position(|row| row.time.to_string().starts_with(start));
    match found {
        Some(row) => Ok(row),
        None => bail!("demo.start: the profile has no day {start:?}; expected YYYY-MM-DD of one of its days"),
    }
}

#[cfg(feature = "demo-broker")]
async fn broker(plant: &VirtualPlant, site: &str) -> Result<String> {
    let address = memg_plant_io::broker::start().await.context("the demonstration's broker")?;
    let topics = memg_virtual_plant::mqtt::publish(plant, &address.ip().to_string(), address.port(), site);
    Ok(format!(
        "[mqtt]\nhost = \"{}\"\nport = {}\nclient_id = \"memg-{site}\"\nprefix = \"memg/{site}\"\n\
         commands = {{ trust_broker_as = \"operator\" }}\n{topics}",
        address.ip(),
        address.port()
    ))
}

#[cfg(not(feature = "demo-broker"))]
async fn broker(_: &VirtualPlant, _: &str) -> Result<String> {
    Ok(String::new())
}
