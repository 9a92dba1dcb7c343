//! The two steps of arming: a token for whoever asked, for one attempt, for half a minute.

use crate::sessions::token;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// An operator has this long between the two steps.
pub(crate) const VALID: Duration = Duration::from_secs(30);

/// Open tokens by name; there are as many names as the configuration has.
#[derive(Debug, Default)]
pub(crate) struct Arming {
    open: BTreeMap<String, (String, Instant)>,
}

impl Arming {
    /// First step: a fresh token; an earlier one of the same name is void. `None`: no random numbers.
    pub(crate) fn begin(&mut self, name: &str, now: Instant) -> Option<String> {
        let token = token()?;
        self.open.insert(name.to_owned(), (token.clone(), now + VALID));
        Some(token)
    }

    /// Second step: whether this is the token. Whatever comes out, it is used up.
    pub(crate) fn confirm(&mut self, name: &str, token: &str, now: Instant) -> bool {
        self.open.remove(name).is_some_and(|(open, until)| open == token && now <= until)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_arms_once_for_its_owner_within_half_a_minute() {
        let (mut arming, now) = (Arming::default(), Instant::now());
        let token = arming.begin("anna", now).unwrap();
        assert!(!arming.confirm("bert", &token, now));
        assert!(arming.confirm("anna", &token, now + VALID) && !arming.confirm("anna", &token, now));
        let token = arming.begin("anna", now).unwrap();
        assert!(!arming.confirm("anna", &token, now + VALID + Duration::from_millis(1)));
        let token = arming.begin("anna", now).unwrap();
        assert!(!arming.confirm("anna", "guess", now) && !arming.confirm("anna", &token, now), "one attempt");
    }
}
