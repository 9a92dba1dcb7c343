//! Figures of a run while it goes: a CSV file and a TensorBoard event file.
//!
//! An event file is a row of records: length (u64), its masked CRC-32C, the bytes of a protobuf `Event`, their masked
//! CRC-32C; the few fields that a scalar needs are written by hand.

use super::TrainError;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// One line of figures. NaN where there is none.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Figures {
    /// Updates of all stages.
    pub updates: u64,
    /// Number of the stage: 1 imitation, 2 gradient, 3 TD3.
    pub stage: u8,
    /// Seconds since the start (those before a resume included).
    pub seconds: f64,
    /// Loss of the stage: imitation error, cost of a training day, critic loss.
    pub loss: f64,
    /// Mean cost of a validation day, EUR.
    pub validation_cost: f64,
    /// That above the bound, over the good rule's.
    pub validation_regret_to_rule: f64,
    /// CVaR95 of daily regret on the validation days, EUR.
    pub validation_cvar95_regret: f64,
}

const COLUMNS: &str =
    "updates,stage,seconds,loss,validation_cost_eur_per_day,validation_regret_to_rule,validation_cvar95_regret_eur";

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
            writeln!(csv, "{COLUMNS}").map_err(failed)?;
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
    pub fn write(&mut self, f: &Figures) -> Result<(), TrainError> {
        let line = format!(
            "{},{},{:.1},{:.6},{:.4},{:.4},{:.4}\n",
            f.updates,
            f.stage,
            f.seconds,
            f.loss,
            f.validation_cost,
            f.validation_regret_to_rule,
            f.validation_cvar95_regret
        );
        let (_, now) = clock();
        let scalars = [
            (
                ["imitation/loss", "gradient/cost_eur_per_day", "td3/critic_loss"]
                    [usize::from(f.stage.clamp(1, 3)) - 1],
                f.loss,
            ),
            ("validation/cost_eur_per_day", f.validation_cost),
            ("validation/regret_to_rule", f.validation_regret_to_rule),
            ("validation/cvar95_regret_eur", f.validation_cvar95_regret),
        ];
        let mut bytes = Vec::new();
        for (tag, value) in scalars {
            bytes.extend(record(&scalar_event(now, f.updates, tag, value as f32)));
        }
        let failed = |e: std::io::Error| TrainError::Save { path: self.csv_path.clone(), reason: e.to_string() };
        self.csv.write_all(line.as_bytes()).map_err(failed)?;
        self.events.write_all(&bytes).map_err(failed)
    }
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
