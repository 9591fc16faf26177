//! Whether a JSON Web Token is good, and what it grants.
//!
//! | claim | meaning |
//! |---|---|
//! | `exp` | required; the token is good until then |
//! | `nbf` | the token is good from then on, if it is there |
//! | `iss`, `aud` | required, and what `auth.issuer` and `auth.audience` say, where these are set |
//! | `iss`, `sub` | whose the token is: a session is held to it |
//! | `role` | `publish` or `play`, or a list of them; both without it |
//! | `stream` | a pattern of `scope/name`, or a list of them; every stream without it |

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;
use tokio::sync::watch;
use whipstitch_signaling::{Role, owner::Owner};

use crate::{Auth, Keys, Pattern, Permission, Why, rule::role_of};

/// Longest token, in bytes.
const MAX_TOKEN: usize = 8192;
/// Most keys that one token is tried with.
const MAX_TRIES: usize = 8;
/// Most roles or patterns of one token.
const MAX_LIST: usize = 64;

/// Verifies tokens.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    pub(crate) keys: watch::Receiver<Arc<Keys>>,
    issuer: Option<String>,
    audience: Option<String>,
    leeway: Duration,
}

/// Whether a token may be past its `exp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// It may not: it is to begin something.
    Good,
    /// It may: it says whose something is that began while it was good.
    Any,
}

/// What a good token grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) owner: Owner,
    roles: Option<Vec<Role>>,
    streams: Option<Arc<[Pattern]>>,
}

impl Grant {
    /// The streams that it grants in this role.
    pub(crate) fn of(&self, role: Role) -> Permission {
        let granted = self.roles.as_ref().is_none_or(|all| all.contains(&role));
        match &self.streams {
            _ if !granted => Permission::No,
            None => Permission::Any,
            Some(streams) => Permission::Streams(streams.clone()),
        }
    }
}

/// The claims that are read here; the crate reads the times.
#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    role: Option<OneOrMore<String>>,
    stream: Option<OneOrMore<Pattern>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    fn into_list(self) -> Result<Vec<T>, Why> {
        match self {
            Self::One(one) => Ok(vec![one]),
            Self::More(more) if more.len() <= MAX_LIST => Ok(more),
            Self::More(_) => Err(Why::Claim),
        }
    }
}

impl Verifier {
    pub(crate) fn new(config: &Auth, keys: watch::Receiver<Arc<Keys>>) -> Self {
        Self {
            keys,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            leeway: config.leeway,
        }
    }

    /// Whether there is any key.
    pub(crate) fn has_keys(&self) -> bool {
        self.keys.borrow().count() > 0
    }

    /// What a token grants.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn verify(&self, token: &str, age: Age) -> Result<Grant, Why> {
        if token.len() > MAX_TOKEN {
            return Err(Why::TooLong);
        }
        let header = decode_header(token).map_err(|_| Why::Malformed)?;
        let keys = self.keys.borrow().clone();
        let mut outcome = Err(Why::UnknownKey);
        for (algorithm, key) in keys.of_header(&header).take(MAX_TRIES) {
            outcome = self.verify_with(token, (algorithm, key), age);
            // Another key cannot make it better.
            if outcome != Err(Why::Signature) {
                break;
            }
        }
        outcome
    }

    fn verify_with(
        &self,
        token: &str,
        (algorithm, key): (Algorithm, &DecodingKey),
        age: Age,
    ) -> Result<Grant, Why> {
        let claims = decode::<Claims>(token, key, &self.validation(algorithm, age));
        let claims = claims.map_err(|error| why(error.kind()))?.claims;
        let roles = claims.role.map(OneOrMore::into_list).transpose()?;
        let roles = roles.map(|words| words.iter().map(|word| role_of(word)).collect());
        let streams = claims.stream.map(OneOrMore::into_list).transpose()?;
        let owner = match &claims.sub {
            Some(sub) => {
                let issuer = claims.iss.as_deref().unwrap_or_default();
                Owner::of(&["sub", issuer, sub])
            }
            // It is all that there is to tell two clients apart.
            None => Owner::of(&["token", token]),
        };
        Ok(Grant {
            owner,
            roles: roles
                .map(|known: Option<Vec<Role>>| known.ok_or(Why::Claim))
                .transpose()?,
            streams: streams.map(Into::into),
        })
    }

    fn validation(&self, algorithm: Algorithm, age: Age) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        validation.validate_exp = age == Age::Good;
        let mut required = vec!["exp"];
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.validate_aud = self.audience.is_some();
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        validation
    }
}

fn why(error: &ErrorKind) -> Why {
    match error {
        ErrorKind::ExpiredSignature => Why::Expired,
        ErrorKind::ImmatureSignature => Why::Immature,
        ErrorKind::InvalidAudience => Why::Audience,
        ErrorKind::InvalidIssuer => Why::Issuer,
        ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => Why::Audience,
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => Why::Issuer,
        ErrorKind::MissingRequiredClaim(_)
        | ErrorKind::InvalidClaimFormat(_)
        | ErrorKind::Json(_) => Why::Claim,
        ErrorKind::InvalidSignature => Why::Signature,
        _ => Why::Malformed,
    }
}

#[cfg(test)]
mod tests;
