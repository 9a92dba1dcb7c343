//! How many updates each stage of a run makes or made.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Updates of each stage, written as `imitation,gradient,critics,td3`: with the same configuration they make the same model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StageUpdates {
    /// Imitation of the good rule.
    pub imitation: u64,
    /// Gradients through the plant's equations.
    pub gradient: u64,
    /// TD3 of the critics alone.
    pub critics: u64,
    /// TD3 of all.
    pub td3: u64,
}

impl StageUpdates {
    /// The same with so many of TD3, the first `critic_first` of which are the critics' alone.
    #[must_use]
    pub const fn with_td3(self, updates: u64, critic_first: u64) -> Self {
        let critics = if updates < critic_first { updates } else { critic_first };
        Self { critics, td3: updates - critics, ..self }
    }
}

impl fmt::Display for StageUpdates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { imitation, gradient, critics, td3 } = self;
        write!(f, "{imitation},{gradient},{critics},{td3}")
    }
}

impl FromStr for StageUpdates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<u64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[imitation, gradient, critics, td3]) => Ok(Self { imitation, gradient, critics, td3 }),
            _ => Err(format!("expected four numbers such as 300,10000,1500,1500, found {text:?}")),
        }
    }
}
