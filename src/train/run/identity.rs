//! Which run a checkpoint belongs to: another one's is never continued.

use crate::TrainOptions;
use crate::config::TrainConfig;
use memg_core::profile::Profile;
use memg_policy::model::plant_hash;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// SHA-256 of all rows, hex.
    data: String,
    /// See [`plant_hash`].
    plant: String,
    /// The configuration before any cut, the seed inside. How fast it goes (threads, minutes) is not part of what is
    /// trained, and set to 0.
    config: TrainConfig,
}

impl Identity {
    pub(super) fn of(options: &TrainOptions) -> Self {
        let config = TrainConfig { threads: 0, minutes: 0.0, ..options.config.clone() };
        Self { data: data_hash(&options.profile), plant: plant_hash(&options.plant), config }
    }

    /// What a run that asks for `asked` would have to do otherwise; nothing if a checkpoint of this one is its own.
    pub(super) fn differences(&self, asked: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (what, own, asked) in [("profile", &self.data, &asked.data), ("plant", &self.plant, &asked.plant)] {
            if own != asked {
                found.push(format!("{what}: SHA-256 {own}, asked for {asked}"));
            }
        }
        // A configuration of numbers and names: JSON can hold it.
        let [own, asked] = [self, asked].map(|identity| serde_json::to_value(&identity.config).unwrap_or_default());
        compare("", &own, &asked, &mut found);
        found
    }
}

fn compare(key: &str, own: &Value, asked: &Value, found: &mut Vec<String>) {
    if let (Value::Object(own), Value::Object(asked)) = (own, asked) {
        for (name, value) in own {
            let path = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            compare(&path, value, asked.get(name).unwrap_or(&Value::Null), found);
        }
    } else if own != asked {
        found.push(format!("{key}: {own}, asked for {asked}"));
    }
}

fn data_hash(profile: &Profile) -> String {
    let mut sha = Sha256::new();
    for row in profile.rows() {
        sha.update(row.to_csv());
        sha.update("\n");
    }
    sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
