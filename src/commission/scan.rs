//! Looking for SunSpec models at an address, and writing a device file from what is found. Writes nothing to the device.

use memg_plant_io::device::Transport;
use memg_plant_io::modbus::probe::Glance;
use memg_sunspec::{BASES, END, Encoding, Field, MARK, Model, model};
use std::fmt::Write as _;

/// Models of a chain; more is no chain.
const MODELS_MAX: usize = 64;
/// Registers asked for at once.
const BLOCK: u16 = 100;

/// One model of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub number: u16,
    /// Address of its number.
    pub address: u16,
    /// Its registers, number and length included.
    pub registers: Vec<u16>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its models in their order.
    pub links: Vec<Link>,
    /// It ends as it must.
    pub ends: bool,
}

/// Finds the chain of models behind a device.
///
/// # Errors
/// Nobody answers, or there is no chain; in words.
pub async fn scan(transport: &Transport, unit: u8) -> Result<Chain, String> {
    let mut device = Glance::open(transport, unit).await?;
    for base in BASES {
        let found = device.holding(base, 2).await?;
        if found.is_some_and(|words| words == MARK) {
            return chain(&mut device, base + 2).await;
        }
    }
    Err(format!("{transport}, unit {unit}: no SunSpec device; \"SunS\" stands at none of the registers {BASES:?}"))
}

async fn chain(device: &mut Glance, first: u16) -> Result<Chain, String> {
    let mut chain = Chain { links: Vec::new(), ends: false };
    let mut address = first;
    while chain.links.len() < MODELS_MAX {
        let Some(head) = device.holding(address, 2).await? else { break };
        let [number, length] = head[..] else { break };
        if number == END {
            chain.ends = true;
            break;
        }
        let Some(after) = address.checked_add(2).and_then(|start| start.checked_add(length)) else { break };
        let Some(rest) = registers(device, address + 2, length).await? else { break };
        chain.links.push(Link { number, address, registers: [head, rest].concat() });
        address = after;
    }
    Ok(chain)
}

async fn registers(device: &mut Glance, start: u16, length: u16) -> Result<Option<Vec<u16>>, String> {
    let mut all = Vec::new();
    for offset in (0..length).step_by(usize::from(BLOCK)) {
        let Some(words) = device.holding(start + offset, BLOCK.min(length - offset)).await? else { return Ok(None) };
        all.extend(words);
    }
    Ok(Some(all))
}

impl Link {
    /// The model file, if it is known.
    #[must_use]
    pub fn model(&self) -> Option<&'static Model> {
        model(self.number)
    }

    fn cells(&self, field: &Field) -> Option<&[u16]> {
        self.registers.get(usize::from(field.offset)..usize::from(field.offset + field.size))
    }

    /// The device has this point.
    fn has(&self, field: &Field) -> bool {
        self.cells(field).is_some_and(|cells| cells != field.not_implemented())
    }

    /// A text of the common model.
    fn text(&self, name: &str) -> Option<String> {
        let cells = self.cells(self.model()?.field(name)?)?;
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).take_while(|byte| *byte != 0).collect();
        let text: String = bytes.into_iter().map(char::from).filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }
}

impl Chain {
    /// A text of the common model: `Mn` the maker, `Md` the model.
    #[must_use]
    pub fn common(&self, name: &str) -> Option<String> {
        self.links.iter().find(|link| link.number == 1).and_then(|link| link.text(name))
    }

    fn holds(&self, numbers: &[u16]) -> bool {
        self.links.iter().any(|link| numbers.contains(&link.number))
    }

    /// What kind of device it is, after the kinds of the library.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.holds(&[713, 124, 802]) {
            "battery"
        } else if self.holds(&[201, 202, 203, 204]) {
            "meter"
        } else {
            "pv"
        }
    }
}

/// A device file for it. What each point is comes from the model files; what it means for control is a proposal where the models leave no
/// doubt, else a comment.
#[must_use]
pub fn device_file(chain: &Chain, from: &str) -> String {
    let quoted = |text: Option<String>| format!("{:?}", text.unwrap_or_else(|| "unknown".to_owned()));
    let numbers: Vec<String> = chain.links.iter().map(|link| link.number.to_string()).collect();
    let known = |link: &&Link| link.number != 1 && link.model().is_some();
    let identity: Vec<String> =
        chain.links.iter().filter(known).map(|link| format!("\"{}\"", name(chain, link, "ID"))).collect();
    let mut text = format!(
        "# Found by `gateway scan {from}`: SunSpec models {}. Look at every point with `gateway doctor` before anything is written;\n\
         # signals in comments need a person who knows the plant.\n\n[device]\nmaker = {}\nmodel = {}\nkind = \"{}\"\n\
         tried_on_hardware = false\nsources = [\"the device itself, scanned\", \"SunSpec Alliance, information models\"]\n\
         address_base = 0\nsunspec = true\npoll_s = 1\nresponse_timeout_s = 1\nidentity_points = [{}]\n",
        numbers.join(", "),
        quoted(chain.common("Mn")),
        quoted(chain.common("Md")),
        chain.kind(),
        identity.join(", "),
    );
    if let Some(remote) = chain.links.iter().find(|link| link.number == 715) {
        let _ = writeln!(text, "remote_point = \"{}\"", name(chain, remote, "LocRemCtl"));
    }
    for link in &chain.links {
        match link.model() {
            Some(model) => model_text(&mut text, chain, link, model),
            None => {
                let _ =
                    writeln!(text, "\n# Model {} at {}: not among the model files here.", link.number, link.address);
            }
        }
    }
    text
}

/// Name of a point: model, which of several, point.
fn name(chain: &Chain, link: &Link, field: &str) -> String {
    let before = chain.links.iter().take_while(|other| other.address != link.address);
    let nth = before.filter(|other| other.number == link.number).count() + 1;
    let which = if nth > 1 { format!("_{nth}") } else { String::new() };
    format!("m{}{which}_{}", link.number, field.to_ascii_lowercase().replace('.', "_"))
}

fn model_text(text: &mut String, chain: &Chain, link: &Link, model: &Model) {
    let _ = writeln!(text, "\n# {} model {}, {}, from {}", "-".repeat(20), model.number, model.label, link.address);
    let listed: Vec<&Field> = model.fields.iter().filter(|field| is_value(link, model, field)).collect();
    for field in &model.fields {
        let is_scale =
            field.encoding == Encoding::Scale && listed.iter().any(|listed| listed.scale.as_ref() == Some(&field.name));
        let is_identity = field.name == "ID" && model.number != 1;
        if is_identity || is_scale || listed.contains(&field) {
            point_text(text, chain, link, field);
        }
    }
    if model.repeats {
        let _ = writeln!(text, "\n# What repeats in this model is not listed.");
    }
}

/// A value that the device has, or takes; one whose power of ten is not known means nothing.
fn is_value(link: &Link, model: &Model, field: &Field) -> bool {
    let is_head = matches!(field.name.as_str(), "ID" | "L");
    let is_value = !is_head && !matches!(field.encoding, Encoding::Scale | Encoding::Pad);
    let scaled = field.scale.as_deref().and_then(|name| model.field(name)).is_none_or(|scale| link.has(scale));
    is_value && scaled && (link.has(field) || (field.writable && model.number == 704))
}

fn kind_of(field: &Field) -> Option<String> {
    Some(match field.kind.as_str() {
        "int16" | "sunssf" | "raw16" => "i16".to_owned(),
        "uint16" | "enum16" | "bitfield16" | "acc16" | "count" => "u16".to_owned(),
        "int32" => "i32".to_owned(),
        "uint32" | "enum32" | "bitfield32" | "acc32" => "u32".to_owned(),
        "int64" => "i64".to_owned(),
        "uint64" | "acc64" | "bitfield64" => "u64".to_owned(),
        "float32" => "f32".to_owned(),
        "float64" => "f64".to_owned(),
        "string" => "string".to_owned(),
        _ => return None,
    })
}

fn unit_of(field: &Field) -> Option<&'static str> {
    let units = [
        ("W", "W"),
        ("VA", "VA"),
        ("Var", "var"),
        ("var", "var"),
        ("A", "A"),
        ("V", "V"),
        ("Hz", "Hz"),
        ("Wh", "Wh"),
        ("WH", "Wh"),
        ("Pct", "%"),
        ("C", "degC"),
        ("Secs", "s"),
    ];
    let stated = field.unit.as_deref()?;
    units.iter().find(|(theirs, _)| *theirs == stated).map(|(_, ours)| *ours)
}

fn point_text(text: &mut String, chain: &Chain, link: &Link, field: &Field) {
    let Some(kind) = kind_of(field) else { return };
    let named = |other: &str| name(chain, link, other);
    let address = link.address + field.offset;
    let _ = writeln!(
        text,
        "\n[[point]]\nname = \"{}\"\ntable = \"holding\"\naddress = {address}\ntype = \"{kind}\"",
        named(&field.name)
    );
    if let Some(label) = &field.label {
        let _ = writeln!(text, "description = {label:?}");
    }
    if kind == "string" {
        let _ = writeln!(text, "words = {}\npoll_s = 3600", field.size);
        return;
    }
    if field.name == "ID" {
        let number = f64::from(link.number);
        let _ = writeln!(text, "range = [{}, {}]", number - 0.5, number + 0.5);
        return;
    }
    match field.scale.as_deref().map(|scale| (scale, scale.parse::<i32>())) {
        Some((_, Ok(power))) => drop(writeln!(text, "scale = {}", 10f64.powi(power))),
        Some((scale, Err(_))) => drop(writeln!(text, "scale_factor = \"{}\"", named(scale))),
        None => {}
    }
    if let Some(unit) = unit_of(field) {
        let _ = writeln!(text, "unit = \"{unit}\"");
    }
    meaning(text, chain, link, field);
}

/// What a point means for control.
fn meaning(text: &mut String, chain: &Chain, link: &Link, field: &Field) {
    let battery = chain.kind() == "battery";
    let told = match (link.number, field.name.as_str()) {
        (701 | 101..=103 | 111..=113, "W") if battery => {
            "# SunSpec counts power out of the inverter, discharging, as positive.\nsign = -1\nrange = [-1_000_000, 1_000_000]\nsignal = \"battery_kw\""
        }
        (701 | 101..=103 | 111..=113, "W") => "range = [-1_000_000, 1_000_000]\nsignal = \"pv_kw\"",
        (201..=204, "W") => {
            "# signal = \"grid_kw\"        # if it measures the connection; import must be positive: else sign = -1"
        }
        (713, "SoC") => "range = [0, 100]\nsignal = \"soc\"",
        (715, "LocRemCtl") if battery => {
            "enum = { 0 = \"remote\", 1 = \"local\" }\ntrue_for = [\"remote\"]\nsignal = \"battery_remote\""
        }
        (715, "LocRemCtl") => "enum = { 0 = \"remote\", 1 = \"local\" }\ntrue_for = [\"remote\"]",
        (701, "InvSt") if battery => {
            "enum = { 0 = \"off\", 1 = \"sleeping\", 2 = \"starting\", 3 = \"running\", 4 = \"throttled\", 5 = \"shutting_down\", 6 = \"fault\", 7 = \"standby\" }\n\
             true_for = [\"fault\"]\nsignal = \"battery_fault\""
        }
        (704, "WSet") if battery => return setpoint(text, chain, link),
        (704, "WSetRvrt") if battery => "sign = -1",
        (715, "ControllerHb") => "write = { output = \"heartbeat\", range = [0, 65_535], tolerance = 0 }",
        _ => return,
    };
    let _ = writeln!(text, "{told}");
}

/// The set-point, safe at the device's side first: reversion, its timer, the set-point, then what enables it.
fn setpoint(text: &mut String, chain: &Chain, link: &Link) {
    let named = |field: &str| name(chain, link, field);
    let _ = writeln!(
        text,
        "# SunSpec counts power out of the inverter, discharging, as positive.\nsign = -1\n[point.write]\noutput = \"battery_setpoint_kw\"\n\
         range = [-1_000_000, 1_000_000]\ntolerance = 100\nwatchdog_s = 120\nbefore = [\n    {{ point = \"{}\", value = 0 }},\n    \
         {{ point = \"{}\", value = 1 }},\n    {{ point = \"{}\", value = 120 }},\n    {{ point = \"{}\", value = 1, when = \"start\" }},\n]\n\
         after = [{{ point = \"{}\", value = 1 }}]",
        named("WSetRvrt"),
        named("WSetEnaRvrt"),
        named("WSetRvrtTms"),
        named("WSetMod"),
        named("WSetEna"),
    );
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use memg_plant_io::device::load;

    /// A model whose every point is there, with ones in its registers.
    fn link(number: u16, address: u16) -> Link {
        let model = model(number).unwrap();
        let mut registers = vec![1; usize::from(model.registers)];
        registers[0] = number;
        registers[1] = model.registers - 2;
        Link { number, address, registers }
    }

    fn chain(numbers: &[u16]) -> Chain {
        let mut address = 40_002;
        let mut links = Vec::new();
        for number in numbers {
            links.push(link(*number, address));
            address += model(*number).map_or(0, |model| model.registers);
        }
        Chain { links, ends: true }
    }

    #[test]
    fn device_files_of_every_kind_can_be_read_by_the_gateway() {
        for (numbers, kind, signals) in [
            (&[1, 701, 702, 703, 704, 713, 715][..], "battery", &["battery_kw", "soc", "battery_remote"][..]),
            (&[1, 103, 120, 121, 122, 123, 160], "pv", &["pv_kw"]),
            (&[1, 203], "meter", &[]),
            (&[1, 701, 701], "pv", &[]),
        ] {
            let chain = chain(numbers);
            let text = device_file(&chain, "here");
            let file = load(&text, "scanned").unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"));
            assert_eq!((chain.kind(), &*file.about.kind), (kind, kind));
            for signal in signals {
                assert!(text.contains(&format!("\nsignal = \"{signal}\"")), "{signal} of {numbers:?}");
            }
        }
    }

    #[test]
    fn what_a_device_does_not_have_is_left_out_and_strange_models_are_named() {
        let mut chain = chain(&[1, 713]);
        let model = model(713).unwrap();
        let health = model.field("SoH").unwrap();
        chain.links[1].registers[usize::from(health.offset)] = health.not_implemented()[0];
        chain.links.push(Link { number: 64_001, address: 50_000, registers: vec![64_001, 0] });
        let text = device_file(&chain, "here");
        assert!(text.contains("\"m713_soc\"") && !text.contains("m713_soh"));
        assert!(text.contains("# Model 64001 at 50000: not among the model files here."));
    }
}
