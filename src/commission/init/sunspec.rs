//! Finding SunSpec devices: the marker "SunS" at one of its three places, then the chain of models, and a device file made of
//! those that mean something here. Facts: SunSpec information models 1, 101 to 103, 201 to 204, 701, 713.

use memg_plant_io::device::{Timing, Transport};
use memg_plant_io::modbus::link::{Link, Span};
use memg_plant_io::point::Table;
use std::fmt::Write;
use std::time::Duration;

/// Where the marker may stand.
const PLACES: [u16; 3] = [40_000, 50_000, 0];
const MARKER: [u16; 2] = [0x5375, 0x6e53];
/// The id that ends the chain.
const END: u16 = 0xFFFF;
/// More models than any device has.
const MODELS_MAX: usize = 100;

/// A model of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// Its id.
    pub id: u16,
    /// Address of its id.
    pub address: u16,
    /// Registers after id and length.
    pub length: u16,
}

/// Times for a look around: short, because most addresses answer nothing.
#[must_use]
pub const fn quick() -> Timing {
    let second = Duration::from_secs(1);
    Timing {
        connect_timeout: second,
        response_timeout: second,
        pause: Duration::ZERO,
        reconnect_max: second,
        retry_max: second,
        order_ttl: second,
    }
}

/// The models of a device; empty if it is none of SunSpec's.
///
/// # Errors
/// Nothing answers there; in words.
pub async fn discover(transport: &Transport, unit: u8) -> Result<Vec<Model>, String> {
    let mut link = Link::open(transport, &quick(), Duration::ZERO).await.map_err(|error| error.to_string())?;
    for start in PLACES {
        match read(&mut link, unit, start, 2).await {
            Ok(words) if words == MARKER => return Ok(chain(&mut link, unit, start + 2).await),
            Ok(_) => {}
            Err(fatal) if fatal => {
                link = Link::open(transport, &quick(), Duration::ZERO).await.map_err(|error| error.to_string())?;
            }
            Err(_) => {}
        }
    }
    Ok(Vec::new())
}

async fn chain(link: &mut Link, unit: u8, start: u16) -> Vec<Model> {
    let (mut models, mut address) = (Vec::new(), start);
    while models.len() < MODELS_MAX {
        let Ok(words) = read(link, unit, address, 2).await else { break };
        let [id, length] = words[..] else { break };
        if id == END {
            break;
        }
        models.push(Model { id, address, length });
        let Some(next) = address.checked_add(2).and_then(|next| next.checked_add(length)) else { break };
        address = next;
    }
    models
}

/// Words, or whether the connection is lost.
async fn read(link: &mut Link, unit: u8, start: u16, count: u16) -> Result<Vec<u16>, bool> {
    let span = Span { table: Table::Holding, start, count };
    link.read(unit, span, quick().response_timeout).await.map_err(|error| error.is_fatal())
}

/// A point at an offset from a model's id.
struct Known {
    name: &'static str,
    offset: u16,
    kind: &'static str,
    /// Offset of its scale factor.
    factor: u16,
    unit: &'static str,
    rest: &'static str,
}

const fn known(
    name: &'static str,
    offset: u16,
    kind: &'static str,
    factor: u16,
    unit: &'static str,
    rest: &'static str,
) -> Known {
    Known { name, offset, kind, factor, unit, rest }
}

const INVERTER: [Known; 2] = [
    known("power", 14, "i16", 15, "W", "range = [-1_000_000, 1_000_000]\nsignal = \"pv_kw\"\n"),
    known("frequency", 16, "u16", 17, "Hz", ""),
];
const METER: [Known; 2] = [
    // Which direction counts as positive differs by maker: `gateway doctor` names a wrong sign.
    known("power", 18, "i16", 22, "W", "range = [-1_000_000, 1_000_000]\nsignal = \"grid_kw\"\n"),
    known("frequency", 16, "i16", 17, "Hz", ""),
];
const STORAGE: [Known; 1] = [known("soc", 4, "u16", 8, "%", "range = [0, 100]\nsignal = \"soc\"\n")];
const DER_BATTERY: [Known; 1] =
    [known("power", 10, "i16", 116, "W", "sign = -1\nrange = [-1_000_000, 1_000_000]\nsignal = \"battery_kw\"\n")];

/// A device file of the models that are known here; `None` if none is.
#[must_use]
pub fn device_file(models: &[Model]) -> Option<String> {
    let has_storage = models.iter().any(|model| model.id == 713);
    let mut points = String::new();
    for model in models {
        let list: &[Known] = match model.id {
            101..=103 => &INVERTER,
            201..=204 => &METER,
            701 if has_storage => &DER_BATTERY,
            713 => &STORAGE,
            _ => continue,
        };
        list.iter().for_each(|known| point(&mut points, *model, known));
    }
    let ids: Vec<String> = models.iter().map(|model| format!("{} at {}", model.id, model.address)).collect();
    let head = format!(
        "# Made by `gateway init` of the models that the device announced: {}.\n\
         # It only reads. For writing see sunspec-der-battery.toml (`gateway devices sunspec-der-battery`).\n\n\
         [device]\nmaker = \"SunSpec\"\nmodel = \"by discovery\"\nkind = \"inverter\"\n\
         description = \"SunSpec models found at the device; addresses as on the wire\"\naddress_base = 0\nsunspec = true\n",
        ids.join(", ")
    );
    (!points.is_empty()).then(|| head + &points)
}

fn point(text: &mut String, model: Model, known: &Known) {
    let Known { name, offset, kind, factor, unit, rest } = known;
    let (id, at) = (model.id, |offset: u16| model.address.saturating_add(offset));
    let _ = write!(
        text,
        "\n[[point]]\nname = \"{name}_{id}\"\ntable = \"holding\"\naddress = {}\ntype = \"{kind}\"\nunit = \"{unit}\"\n\
         scale_factor = \"{name}_{id}_sf\"\n{rest}\n[[point]]\nname = \"{name}_{id}_sf\"\ntable = \"holding\"\naddress = {}\ntype = \"i16\"\n",
        at(*offset),
        at(*factor)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_plant_io::device::load;

    #[test]
    fn a_device_file_of_discovered_models_is_right() {
        let at = |id, address, length| Model { id, address, length };
        let models = [at(1, 40_002, 66), at(103, 40_070, 50), at(120, 40_122, 26), at(203, 40_150, 105)];
        let text = device_file(&models).unwrap();
        let file = load(&text, "found.toml").unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
        let power = file.points.iter().find(|point| point.name == "power_203").unwrap();
        assert_eq!((power.address, file.points.len()), (40_168, 8));
        assert_eq!(device_file(&[at(1, 40_002, 66)]), None);
    }
}
