//! Figures of a run while it goes: a CSV file and a TensorBoard event file, under the same names.
//!
//! Names are those of CleanRL where it has one (`charts/…`, `losses/…`), so that dashboards and habits fit; [`GLOSSARY`] says
//! what each means here. An event file is a row of records: length (u64), its masked CRC-32C, the bytes of a protobuf
//! `Event`, their masked CRC-32C; the few fields that a scalar needs are written by hand: the crates that write such files
//! bring a protobuf compiler or an image library.

use super::TrainError;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// One line of figures.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Figures {
    /// Updates of all stages.
    pub updates: u64,
    /// Number of the stage: 1 imitation, 2 gradient, 3 TD3.
    pub stage: u8,
    /// Seconds since the start (those before a resume included).
    pub seconds: f64,
    /// Loss of the stage: imitation error, cost of a training day, the critics' summed error.
    pub loss: f64,
    /// Mean cost of a validation day, EUR.
    pub validation_cost: f64,
    /// That above the bound, over the good rule's.
    pub validation_regret_to_rule: f64,
    /// CVaR95 of daily regret on the validation days, EUR.
    pub validation_cvar95_regret: f64,
    /// Updates a second in this stage.
    #[serde(default)]
    pub rate: f64,
    /// Of TD3.
    #[serde(default)]
    pub td3: Td3Figures,
}

/// What only TD3 has; of its last update, and of its last finished episode.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Td3Figures {
    /// Reward of the episode, EUR.
    pub episodic_return: Option<f64>,
    /// Mean squared error of the first critic.
    pub qf1_loss: Option<f64>,
    /// Mean squared error of the second critic.
    pub qf2_loss: Option<f64>,
    /// Mean of the first critic's values.
    pub qf1_values: Option<f64>,
    /// The actor's objective.
    pub actor_loss: Option<f64>,
}

/// A figure of a line, if it has one.
type Value = fn(&Figures) -> Option<f64>;

/// Loss of the stage of that number.
fn loss_of(figures: &Figures, stage: u8) -> Option<f64> {
    (figures.stage == stage).then_some(figures.loss)
}

/// Every figure: its name in both files, what it means, and the figure.
pub const GLOSSARY: [(&str, &str, Value); 13] = [
    ("stage", "1 imitation, 2 gradients through the plant, 3 TD3", |f| Some(f64::from(f.stage))),
    ("charts/seconds", "Wall-clock time since the run began, s, parts before a resume included", |f| Some(f.seconds)),
    (
        "charts/SPS",
        "Updates a second in this stage (in TD3 an update is a step of the plant unless `td3.gradient_steps` says otherwise)",
        |f| Some(f.rate),
    ),
    ("charts/episodic_return", "Reward of the last finished TD3 episode, EUR: what it cost, negative", |f| {
        f.td3.episodic_return
    }),
    ("losses/imitation_loss", "Mean squared distance to what the teacher asks for", |f| loss_of(f, 1)),
    ("losses/gradient_cost", "Cost of a training day in the gradient stage, EUR", |f| loss_of(f, 2)),
    ("losses/qf1_loss", "Mean squared error of TD3's first critic", |f| f.td3.qf1_loss),
    ("losses/qf2_loss", "Mean squared error of TD3's second critic", |f| f.td3.qf2_loss),
    ("losses/qf1_values", "What TD3's first critic expects of a step's action and all that follows, EUR", |f| {
        f.td3.qf1_values
    }),
    ("losses/actor_loss", "TD3's objective for the actor: minus the scaled value, plus the cloning term", |f| {
        f.td3.actor_loss
    }),
    ("validation/cost_eur_per_day", "Mean cost of a validation day, EUR", |f| Some(f.validation_cost)),
    ("validation/regret_to_rule", "Cost above perfect foresight over the good rule's: 0 is perfect, 1 the rule", |f| {
        Some(f.validation_regret_to_rule)
    }),
    ("validation/cvar95_regret_eur", "Mean of the worst 5 % of daily regrets on validation days, EUR", |f| {
        Some(f.validation_cvar95_regret)
    }),
];

/// The column before them, and TensorBoard's step.
const STEP: &str = "global_step";

/// Appends figures to both files.
#[derive(Debug)]
pub struct MetricsFiles {
    csv: File,
    events: File,
    csv_path: PathBuf,
}

impl MetricsFiles {
    /// Opens `metrics.csv` and a new event file in a folder.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(dir: &Path, resume: bool) -> Result<Self, TrainError> {
        let csv_path = dir.join("metrics.csv");
        let failed = |e: std::io::Error| TrainError::Save { path: csv_path.clone(), reason: e.to_string() };
        let fresh = !resume || !csv_path.exists();
        let mut options = OpenOptions::new();
        let options = if fresh { options.write(true).create(true).truncate(true) } else { options.append(true) };
        let mut csv = options.open(&csv_path).map_err(failed)?;
        if fresh {
            writeln!(csv, "{}", header()).map_err(failed)?;
        }
        let (seconds, now) = clock();
        let path = dir.join(format!("events.out.tfevents.{seconds}.memg"));
        let mut events = File::create(path).map_err(failed)?;
        events.write_all(&record(&version_event(now))).map_err(failed)?;
        Ok(Self { csv, events, csv_path })
    }

    /// Appends one line.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&mut self, figures: &Figures) -> Result<(), TrainError> {
        let failed = |e: std::io::Error| TrainError::Save { path: self.csv_path.clone(), reason: e.to_string() };
        self.csv.write_all(line(figures).as_bytes()).map_err(failed)?;
        self.events.write_all(&events(figures)).map_err(failed)
    }
}

fn header() -> String {
    [STEP].into_iter().chain(GLOSSARY.map(|(name, ..)| name)).collect::<Vec<_>>().join(",")
}

/// A line of the CSV file; a cell is empty where there is no figure.
fn line(figures: &Figures) -> String {
    let cell = |value: Option<f64>| value.filter(|v| v.is_finite()).map_or_else(String::new, |v| format!("{v:.6}"));
    let cells = GLOSSARY.map(|(.., value)| cell(value(figures)));
    format!("{},{}\n", figures.updates, cells.join(","))
}

/// The same as records of an event file.
fn events(figures: &Figures) -> Vec<u8> {
    let (_, now) = clock();
    let scalars = GLOSSARY.iter().filter_map(|(name, _, value)| Some((*name, value(figures)?)));
    scalars.flat_map(|(name, value)| record(&scalar_event(now, figures.updates, name, value as f32))).collect()
}

/// A column of the `metrics.csv` of a run, beside its updates; lines without it are left out.
#[must_use]
pub fn read_column(csv: &str, name: &str) -> Vec<(f64, f64)> {
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let Some(header) = lines.next() else { return Vec::new() };
    let Some(place) = header.iter().position(|known| *known == name) else { return Vec::new() };
    let pair = |cells: Vec<&str>| Some((cells.first()?.parse().ok()?, cells.get(place)?.parse().ok()?));
    lines.filter_map(pair).collect()
}

fn clock() -> (u64, f64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_secs(), now.as_secs_f64())
}
fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut bytes = length.to_vec();
    bytes.extend(masked_crc(&length).to_le_bytes());
    bytes.extend(event);
    bytes.extend(masked_crc(event).to_le_bytes());
    bytes
}

fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), reflected polynomial 0x82f63b78.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

/// `Event { wall_time = 1: double, file_version = 3: string }`.
fn version_event(now: f64) -> Vec<u8> {
    let mut event = wall_time(now);
    event.extend(text_field(3, b"brain.Event:2"));
    event
}

/// `Event { wall_time = 1, step = 2: int64, summary = 5: { value = 1: { tag = 1: string, simple_value = 2: float } } }`.
fn scalar_event(now: f64, step: u64, tag: &str, value: f32) -> Vec<u8> {
    let mut inner = text_field(1, tag.as_bytes());
    inner.push(0x15);
    inner.extend(value.to_le_bytes());
    let summary = text_field(1, &inner);
    let mut event = wall_time(now);
    event.push(0x10);
    event.extend(varint(step));
    event.extend(text_field(5, &summary));
    event
}

fn wall_time(now: f64) -> Vec<u8> {
    let mut bytes = vec![0x09];
    bytes.extend(now.to_le_bytes());
    bytes
}

fn text_field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    bytes.extend(varint(content.len() as u64));
    bytes.extend(content);
    bytes
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn both_files_have_the_same_names_and_no_figure_is_an_empty_cell() {
        let gradient = Figures { updates: 7, stage: 2, loss: 95.5, validation_cost: 90.0, ..Figures::default() };
        let csv = format!("{}\n{}", header(), line(&gradient));
        assert_eq!(read_column(&csv, "losses/gradient_cost"), [(7.0, 95.5)]);
        assert_eq!(read_column(&csv, "losses/qf1_loss"), [], "there is no critic yet");
        let td3 = Td3Figures { qf1_loss: Some(0.25), episodic_return: Some(-12.5), ..Td3Figures::default() };
        let td3 = Figures { stage: 3, td3, ..gradient };
        let csv = format!("{csv}{}", line(&td3));
        assert_eq!(read_column(&csv, "charts/episodic_return"), [(7.0, -12.5)]);
        let holds = |bytes: &[u8], name: &str| bytes.windows(name.len()).any(|window| window == name.as_bytes());
        for (name, _, value) in GLOSSARY {
            assert_eq!(holds(&events(&td3), name), value(&td3).is_some(), "{name}");
        }
    }

    #[test]
    fn names_are_explained_in_the_docs() {
        let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/training.md")).unwrap();
        for (name, meaning, _) in GLOSSARY {
            assert!(docs.contains(&format!("| `{name}` | {meaning} |")), "{name}");
        }
    }

    #[test]
    fn a_record_has_length_checksum_content_checksum() {
        let event = scalar_event(1.5, 300, "a/b", 0.25);
        let bytes = record(&event);
        assert_eq!(bytes.len(), 8 + 4 + event.len() + 4);
        // field 1 (double), field 2 (varint 300), field 5 holding field 1 holding tag and float
        let expected = [
            &[0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x10, 0xac, 0x02, 0x2a, 12, 0x0a, 10, 0x0a, 3][..],
            b"a/b",
            &[0x15, 0, 0, 0x80, 0x3e],
        ];
        assert_eq!(event, expected.concat());
    }
}
