//! How a user names a policy: `rule`, `models/td3`, `ort:models/td3`.

use memg_core::rules;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What runs a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// candle, in this binary.
    Candle,
    /// ONNX Runtime, a library found at run time.
    Ort,
    /// The plain loops in the core.
    Rust,
}

impl Runtime {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Candle, Self::Ort, Self::Rust];

    /// As written before the colon of a spec.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Candle => "candle",
            Self::Ort => "ort",
            Self::Rust => "rust",
        }
    }

    /// It was compiled into this binary.
    #[must_use]
    pub const fn is_built(self) -> bool {
        match self {
            Self::Candle => cfg!(feature = "candle"),
            Self::Ort => cfg!(feature = "ort"),
            Self::Rust => true,
        }
    }
}

impl Default for Runtime {
    /// candle where it is built, else the core's loops.
    fn default() -> Self {
        if Self::Candle.is_built() { Self::Candle } else { Self::Rust }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A policy by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySpec {
    /// A rule of [`memg_core::rules`].
    Rule(String),
    /// A model folder.
    Model {
        /// The folder.
        dir: PathBuf,
        /// What runs it.
        runtime: Runtime,
    },
}

/// The text names no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} names no policy: expected one of {}, or a model folder such as models/rule-imitation, \
         with candle:, ort: or rust: before it to pick the runtime", rules::NAMES.join(", "))]
pub struct SpecError {
    text: String,
}

impl FromStr for PolicySpec {
    type Err = SpecError;

    /// A name without a path separator is a rule; a folder in the present directory is written `./name`.
    fn from_str(text: &str) -> Result<Self, SpecError> {
        let error = || SpecError { text: text.to_owned() };
        if rules::NAMES.contains(&text) {
            return Ok(Self::Rule(text.to_owned()));
        }
        let prefix =
            |runtime: &Runtime| text.strip_prefix(runtime.name())?.strip_prefix(':').map(|dir| (*runtime, dir));
        let (runtime, dir, explicit) = match Runtime::ALL.iter().find_map(prefix) {
            Some((runtime, dir)) => (runtime, dir, true),
            None => (Runtime::default(), text, false),
        };
        let is_path = explicit || dir.contains(['/', std::path::MAIN_SEPARATOR]);
        if dir.is_empty() || !is_path {
            return Err(error());
        }
        Ok(Self::Model { dir: PathBuf::from(dir), runtime })
    }
}

impl fmt::Display for PolicySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(name) => f.write_str(name),
            Self::Model { dir, runtime } => write!(f, "{runtime}:{}", dir.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_name_rules_folders_and_runtimes() {
        let model = |dir: &str, runtime| Some(PolicySpec::Model { dir: PathBuf::from(dir), runtime });
        let cases = [
            ("rule", Some(PolicySpec::Rule("rule".to_owned()))),
            ("models/td3", model("models/td3", Runtime::default())),
            ("./td3", model("./td3", Runtime::default())),
            ("ort:models/td3", model("models/td3", Runtime::Ort)),
            ("rust:td3", model("td3", Runtime::Rust)),
            ("td3", None),
            ("ort:", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let found: Option<PolicySpec> = text.parse().ok();
            assert_eq!(found, expected, "{text:?}");
            if let Some(spec) = found {
                assert_eq!(spec.to_string().parse(), Ok(spec));
            }
        }
    }
}
