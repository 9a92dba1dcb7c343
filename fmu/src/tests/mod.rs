//! The C interface of both standards, driven as a host drives it.

mod day;
mod faults;
mod forecaster;
mod golden;
mod host;
mod outlook;
mod protection;
mod states;
mod units;

use crate::abi::*;
use crate::model::Kind;
use memg_core::equipment::PlantParameters;
use memg_core::forecast::Forecaster;
use memg_core::planner::Plan;
use memg_core::policy::{Policy, PolicyError, PolicyInput, Request};
use memg_core::profile::{COLUMNS, Profile};
use memg_core::series::{Known, Quantity};
use std::path::Path;

/// A resources folder as the gateway packs it.
fn resources(policy: &str, profile: &Profile) -> tempfile::TempDir {
    resources_of(&PlantParameters::reference(), policy, profile)
}

/// The same for another plant.
fn resources_of(plant: &PlantParameters, policy: &str, profile: &Profile) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("memg ü%#").tempdir().unwrap();
    let put = |name: &str, data: &[u8]| std::fs::write(folder.path().join(name), data).unwrap();
    put("limits.json", &serde_json::to_vec(plant).unwrap());
    put("policy.txt", policy.as_bytes());
    put("actor.safetensors", &random_weights(10));
    let rows = profile.rows().iter().map(memg_core::profile::ProfileRow::to_csv);
    put("profile.csv", [COLUMNS.join(",")].into_iter().chain(rows).collect::<Vec<_>>().join("\n").as_bytes());
    folder
}

/// Weights of a small network, uniform in ±0.35 by a linear congruence.
fn random_weights(inputs: usize) -> Vec<u8> {
    let shapes = [("l1", 16, inputs), ("l2", 16, 16), ("l3", 3, 16)];
    let (mut header, mut data, mut seed) = (Vec::new(), Vec::new(), 12345_u32);
    for (name, outputs, inputs) in shapes {
        for (kind, shape, count) in
            [("weight", format!("[{outputs},{inputs}]"), outputs * inputs), ("bias", format!("[{outputs}]"), outputs)]
        {
            let begin = data.len();
            for _ in 0..count {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let weight = f64::from(seed >> 8) / f64::from(1_u32 << 24) - 0.5;
                data.extend((0.7 * weight as f32).to_le_bytes());
            }
            let end = data.len();
            header.push(format!(r#""{name}.{kind}":{{"dtype":"F32","shape":{shape},"data_offsets":[{begin},{end}]}}"#));
        }
    }
    let header = format!("{{{}}}", header.join(","));
    let length = u64::try_from(header.len()).unwrap();
    [&length.to_le_bytes()[..], header.as_bytes(), &data].concat()
}

/// Knows no published prices, as an FMU that nobody tells any.
struct Untold<F>(Plan<F>);

impl<F: Forecaster> Policy for Untold<F> {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn act(&mut self, input: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        self.0.act(&PolicyInput { known: &Past(input.known), ..*input })
    }
}

#[derive(Debug)]
struct Past<'a>(&'a dyn Known);

impl Known for Past<'_> {
    fn ahead(&self, _: Quantity, _: usize) -> Option<f64> {
        None
    }
    fn ago(&self, quantity: Quantity, steps: usize) -> Option<f64> {
        self.0.ago(quantity, steps)
    }
}

fn uri(folder: &Path) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    let path: String = folder.to_str().unwrap().bytes().map(escape).collect();
    format!("file://{path}")
}

#[test]
fn tables_have_unique_sorted_references_and_names() {
    for kind in Kind::ALL {
        let rows = crate::variable::Store::new(kind.variables(&PlantParameters::reference(), "rule"));
        let rows = rows.rows();
        assert!(rows.windows(2).all(|pair| pair[0].reference < pair[1].reference), "{kind:?}");
        let names: std::collections::HashSet<_> = rows.iter().map(|row| &row.name).collect();
        assert_eq!(names.len(), rows.len());
    }
    let [ems, plant] = Kind::ALL.map(|kind| kind.token_for(&PlantParameters::reference()));
    assert_ne!(ems, plant);
}

#[test]
fn versions_are_those_of_the_standards() {
    // SAFETY: both return static strings.
    let texts = unsafe { [raw_text(fmi2GetVersion()), raw_text(fmi2GetTypesPlatform()), raw_text(fmi3GetVersion())] };
    assert_eq!(texts, ["2.0", "default", "3.0"]);
}

/// # Safety
/// A zero-terminated string.
unsafe fn raw_text(text: *const std::ffi::c_char) -> String {
    // SAFETY: by contract.
    unsafe { std::ffi::CStr::from_ptr(text) }.to_str().unwrap().to_owned()
}
