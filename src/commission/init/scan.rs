//! Which files of the library fit a device: those whose points it answers with plausible values. A guess, told as one.

use super::sunspec::{Model, device_file, discover, quick};
use memg_plant_io::device::{self, Device, RawDevice, Transport};
use memg_plant_io::image::ImageBuilder;
use memg_plant_io::library;
use memg_plant_io::modbus::probe::{ProbeValue, probe};

/// What was found at a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// SunSpec models, if it announces any.
    pub models: Vec<Model>,
    /// A device file made of them.
    pub file: Option<String>,
    /// Files of the library whose points it answers plausibly, best first, with the share of their points.
    pub fitting: Vec<(&'static str, f64)>,
}

/// At least this share of a file's points has to answer plausibly.
const SHARE: f64 = 0.8;

/// Looks at a place. Reads only; a file of the library takes a few requests.
///
/// # Errors
/// Nothing answers there; in words.
pub async fn look(transport: &str, unit: u8) -> Result<Found, String> {
    let transport_of = instance("abb-b23-b24.toml", transport, unit).map(|device| device.transport);
    let place: Transport = transport_of.ok_or_else(|| format!("{transport} is no place"))?;
    let models = discover(&place, unit).await?;
    let file = device_file(&models);
    let mut fitting = Vec::new();
    if models.is_empty() {
        for (name, _) in library::FILES.iter().filter(|(name, _)| is_candidate(name)) {
            let Some(device) = instance(name, transport, unit) else { continue };
            let share = share(&device).await;
            fitting.extend((share >= SHARE).then_some((*name, share)));
        }
    }
    fitting.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    Ok(Found { models, file, fitting })
}

fn is_candidate(name: &str) -> bool {
    !name.starts_with("virtual-") && !name.starts_with("generic-") && !name.starts_with("sunspec-")
}

fn instance(name: &str, transport: &str, unit: u8) -> Option<Device> {
    let file = device::load(library::text(name)?, name).ok()?;
    let text = format!("name = \"it\"\nfile = {name:?}\ntransport = {transport}\nunit_id = {unit}\nwrite = []\n");
    let raw: RawDevice = toml::from_str(&text).ok()?;
    let device = Device::new(&raw, &file, "device", &mut ImageBuilder::default()).ok()?;
    Some(Device { timing: quick(), ..device })
}

/// The share of points that answer with a number within their range; a register of zeros says nothing.
async fn share(device: &Device) -> f64 {
    let results = probe(&device.read_only(device.points.to_vec())).await;
    let numbers: Vec<f64> = results
        .iter()
        .filter_map(|result| match result.value {
            ProbeValue::Number(number) => Some(number),
            _ => None,
        })
        .collect();
    if numbers.iter().all(|number| number.abs() < 1e-6) {
        return 0.0;
    }
    numbers.len() as f64 / results.len().max(1) as f64
}
