//! Who is who, and what each may do with a node. Without this anybody could write what is writable: the library asks nobody else.

use crate::settings::OpcUaSettings;
use memg_core::command::{Means, Role};
use memg_listener::{Complaints, User};
use memg_north::desk::Principal;
use memg_north::points::{PointList, Use};
use opcua::crypto::SecurityPolicy;
use opcua::server::ServerEndpoint;
use opcua::server::address_space::AccessLevel;
use opcua::server::authenticator::{AuthManager, Password, UserToken, user_pass_security_policy_id};
use opcua::types::{Error, Identifier, NodeId, StatusCode, UAString, UserTokenPolicy, UserTokenType};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Whether a password fits a hash; takes some 10 ms.
pub type Verify = fn(hash: &str, password: &str) -> bool;

/// Passwords that are looked at at the same time.
const AT_ONCE: usize = 2;
/// After a wrong one its place stays taken for so long: guessing takes neither the machine nor the plant's time.
const AFTER_WRONG: Duration = Duration::from_millis(250);
/// Longest name and password that are looked at, octets.
const LENGTH_MAX: usize = 256;
/// The library's name of anonymous log-ins.
const ANONYMOUS: &str = "anonymous";

/// The one judge of log-ins and rights.
pub(crate) struct Who {
    users: Vec<User>,
    anonymous: bool,
    verify: Verify,
    list: Arc<PointList>,
    places: Arc<Semaphore>,
    complaints: Complaints,
}

impl Who {
    pub fn new(settings: &OpcUaSettings, verify: Verify, list: Arc<PointList>, complaints: Complaints) -> Self {
        let (users, anonymous) = (settings.users.clone(), settings.anonymous_may_look());
        Self { users, anonymous, verify, list, places: Arc::new(Semaphore::new(AT_ONCE)), complaints }
    }

    /// Who writes; whoever has not logged in looks on.
    pub fn principal(&self, token: &UserToken) -> Principal {
        let user = self.users.iter().find(|user| user.name == token.0 && !token.is_anonymous());
        let (name, role) = user.map_or((ANONYMOUS, Role::Viewer), |user| (user.name.as_str(), user.role));
        Principal { name: name.to_owned(), role, means: Means::OpcUa, authenticated: user.is_some() }
    }

    async fn fits(&self, name: &str, password: &str) -> bool {
        // A name that nobody has takes as long as one with a wrong password, as far as guessers can tell.
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return false };
        let user = self.users.iter().find(|user| user.name == name).or(self.users.first());
        let Some(user) = user.filter(|_| password.len() <= LENGTH_MAX && name.len() <= LENGTH_MAX) else {
            return false;
        };
        let (verify, hash, password) = (self.verify, user.hash.clone(), password.to_owned());
        let fits = tokio::task::spawn_blocking(move || verify(&hash, &password)).await.unwrap_or(false);
        let fits = fits && user.name == name;
        if !fits {
            tokio::time::sleep(AFTER_WRONG).await;
        }
        drop(place);
        fits
    }
}

fn rejected(why: &str) -> Error {
    Error::new(StatusCode::BadUserAccessDenied, why.to_owned())
}

fn policy(token_type: UserTokenType, policy_id: UAString) -> UserTokenPolicy {
    UserTokenPolicy { policy_id, token_type, ..UserTokenPolicy::default() }
}

#[async_trait::async_trait]
impl AuthManager for Who {
    async fn authenticate_anonymous_token(&self, _: &ServerEndpoint) -> Result<(), Error> {
        if self.anonymous { Ok(()) } else { Err(rejected("log in first")) }
    }

    async fn authenticate_username_identity_token(
        &self,
        _: &ServerEndpoint,
        name: &str,
        password: &Password,
    ) -> Result<UserToken, Error> {
        if self.fits(name, password.get()).await {
            return Ok(UserToken(name.to_owned()));
        }
        self.complaints.about("a log-in failed", name);
        Err(rejected("name or password is wrong"))
    }

    fn effective_user_access_level(&self, token: &UserToken, level: AccessLevel, node: &NodeId) -> AccessLevel {
        let reading = level & AccessLevel::CURRENT_READ;
        let Identifier::String(name) = &node.identifier else { return reading };
        let point = self.list.named(name.as_ref()).and_then(|place| self.list.points().get(place));
        match point.map(|point| point.usage) {
            Some(Use::Command(least)) if self.principal(token).role >= least => level,
            _ => reading,
        }
    }

    fn is_user_executable(&self, _: &UserToken, _: &NodeId) -> bool {
        // There are no methods but those of the server itself, which change nothing of the plant.
        true
    }

    fn user_token_policies(&self, endpoint: &ServerEndpoint) -> Vec<UserTokenPolicy> {
        let encrypted = endpoint.security_policy() != SecurityPolicy::None;
        let anonymous = self.anonymous.then(|| policy(UserTokenType::Anonymous, ANONYMOUS.into()));
        // Without encryption a password is heard by whoever listens: on this machine nobody does.
        let named = (!self.users.is_empty() && (encrypted || self.anonymous))
            .then(|| policy(UserTokenType::UserName, user_pass_security_policy_id(endpoint)));
        anonymous.into_iter().chain(named).collect()
    }
}

#[cfg(test)]
#[path = "who_tests.rs"]
mod tests;
