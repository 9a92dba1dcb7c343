//! How a user names a policy: `rule`, `plan`, `models/td3`, `ort:models/td3`.

use memg_core::builtin;
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

/// What stands for the runtime of a rule in a journal's header.
const RULE: &str = "rule";

/// A policy by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySpec {
    /// A policy that needs no file, see [`memg_core::builtin`].
    Rule(String),
    /// A model folder.
    Model {
        /// Model folder, with its `model.toml`.
        dir: PathBuf,
        /// What runs it.
        runtime: Runtime,
    },
}

impl PolicySpec {
    /// A model folder, perhaps with `candle:`, `ort:` or `rust:` before it; else `runtime` runs it. Unlike in
    /// [`PolicySpec::from_str`] a plain name is a folder, too.
    #[must_use]
    pub fn model(text: &str, runtime: Runtime) -> Self {
        let (named, dir) = split(text);
        Self::Model { dir: PathBuf::from(dir), runtime: named.unwrap_or(runtime) }
    }

    /// The two names that a journal's header has for it.
    #[must_use]
    pub fn recorded(&self) -> [String; 2] {
        match self {
            Self::Rule(name) => [name.clone(), RULE.to_owned()],
            Self::Model { dir, runtime } => [dir.display().to_string(), runtime.name().to_owned()],
        }
    }

    /// The policy that a journal's header names, with the runtime that it names: another one differs in the last watt.
    ///
    /// # Errors
    /// Nobody here knows such a rule or runtime; in words.
    pub fn from_recorded(policy: &str, runtime: &str) -> Result<Self, String> {
        if runtime == RULE {
            return policy.parse().map_err(|error: SpecError| error.to_string());
        }
        let known = Runtime::ALL.into_iter().find(|known| known.name() == runtime);
        let unknown = || format!("the journal names the runtime {runtime:?}: expected candle, ort or rust");
        Ok(Self::Model { dir: PathBuf::from(policy), runtime: known.ok_or_else(unknown)? })
    }
}

/// The runtime before the colon, if there is one, and the rest.
fn split(text: &str) -> (Option<Runtime>, &str) {
    let prefix = |runtime: Runtime| Some((runtime, text.strip_prefix(runtime.name())?.strip_prefix(':')?));
    let found = Runtime::ALL.into_iter().find_map(prefix);
    found.map_or((None, text), |(runtime, dir)| (Some(runtime), dir))
}

/// The text names no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} names no policy: expected one of {}, or a model folder such as models/rule-imitation, \
         with candle:, ort: or rust: before it to pick the runtime", builtin::NAMES.join(", "))]
pub struct SpecError {
    text: String,
}

impl PolicySpec {
    /// A name without a path separator is that of a policy without a file; a folder in the present directory is written
    /// `./name`. `runtime` runs it unless another one is named.
    ///
    /// # Errors
    /// The text is neither.
    pub fn parse(text: &str, runtime: Runtime) -> Result<Self, SpecError> {
        let error = || SpecError { text: text.to_owned() };
        if builtin::NAMES.contains(&text) {
            return Ok(Self::Rule(text.to_owned()));
        }
        let (named, dir) = split(text);
        let is_path = named.is_some() || dir.contains(['/', std::path::MAIN_SEPARATOR]);
        if dir.is_empty() || !is_path {
            return Err(error());
        }
        Ok(Self::model(text, runtime))
    }
}

impl FromStr for PolicySpec {
    type Err = SpecError;

    /// See [`PolicySpec::parse`]; the default runtime runs it unless another one is named.
    fn from_str(text: &str) -> Result<Self, SpecError> {
        Self::parse(text, Runtime::default())
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
    use memg_core::equipment::Plant;

    #[test]
    fn specs_name_rules_folders_and_runtimes() {
        let model = |dir: &str, runtime| Some(PolicySpec::Model { dir: PathBuf::from(dir), runtime });
        let cases = [
            ("rule", Some(PolicySpec::Rule("rule".to_owned()))),
            ("plan", Some(PolicySpec::Rule("plan".to_owned()))),
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

    #[test]
    fn a_model_has_the_runtime_before_its_folder_or_the_default_one() {
        for (text, dir, runtime) in [
            ("td3", "td3", Runtime::Rust),
            ("models/td3", "models/td3", Runtime::Rust),
            ("candle:models/td3", "models/td3", Runtime::Candle),
            ("ort:td3", "td3", Runtime::Ort),
        ] {
            let expected = PolicySpec::Model { dir: PathBuf::from(dir), runtime };
            assert_eq!(PolicySpec::model(text, Runtime::Rust), expected, "{text}");
        }
    }

    #[test]
    fn a_journals_header_gives_back_the_policy_with_its_runtime() {
        for text in ["rule", "plan", "ort:td3", "candle:models/td3", "rust:models/td3"] {
            let spec: PolicySpec = text.parse().unwrap();
            let [policy, runtime] = spec.recorded();
            assert_eq!(PolicySpec::from_recorded(&policy, &runtime), Ok(spec), "{text}");
        }
        let refused = PolicySpec::from_recorded("models/td3", "gpu").unwrap_err();
        assert!(refused.contains("the journal names the runtime \"gpu\""), "{refused}");
        assert!(PolicySpec::from_recorded("best", "rule").is_err());
    }

    #[test]
    fn a_runtime_that_is_not_built_in_is_named_with_the_way_to_get_it() {
        let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/actor-10d"));
        for runtime in Runtime::ALL.into_iter().filter(|runtime| !runtime.is_built()) {
            let spec = PolicySpec::Model { dir: dir.clone(), runtime };
            let said = crate::load_policy(&spec, &Plant::reference()).err().unwrap().to_string();
            let words = format!("runtime {runtime}: not in this binary; build it with --features {runtime}");
            assert!(said.contains(&words), "{said}");
        }
    }
}
