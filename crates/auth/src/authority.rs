//! What a rule makes of one client.

use std::{borrow::Cow, sync::Arc};

use tokio::sync::watch;
use whipstitch_signaling::{Role, StreamKey, owner::Owner};

use crate::{
    Auth, Dialogue, Keys, Method, Permission, Refused, Rule, Why,
    jwt::{Age, Grant, Verifier},
};

/// No rule fits, or the one that does refuses.
const NO_RULE: Refused = Refused::NotPermitted("no rule admits a client here");
/// The token does not grant it.
const NOT_GRANTED: Refused = Refused::NotPermitted("the token does not permit this role or stream");

/// Nothing can be verified.
const NO_KEYS: Refused = Refused::Unavailable("there are no keys to check tokens with");

/// What judgement needs besides the rules; it lives as long as the process.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The keys of tokens; may change at any time.
    pub keys: watch::Receiver<Arc<Keys>>,
}

impl Default for Sources {
    fn default() -> Self {
        let keys = watch::channel(Arc::default()).1;
        Self { keys }
    }
}

/// Judges clients.
#[derive(Debug)]
pub struct Authority {
    rules: Vec<Rule>,
    jwt: Verifier,
}

/// Who asks.
#[derive(Debug)]
pub struct Visitor<'r> {
    /// Its token, if it brings one.
    pub token: Result<Option<Cow<'r, str>>, Why>,
}

/// A client that may do what it asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// Who it is; `None` if no client had to be told apart.
    pub owner: Option<Owner>,
    /// Whether its token was judged.
    pub is_judged: bool,
    /// What it may say over a WebSocket; `None` if that is not restricted.
    pub dialogue: Option<Arc<Dialogue>>,
}

/// What became of a client; a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was admitted, or nothing was asked of it.
    Admitted,
    /// It brought no token.
    Missing,
    /// Its token was not good.
    Invalid,
    /// It may not do this.
    NotPermitted,
    /// It could not be judged.
    Unavailable,
}

impl Outcome {
    /// All of them, in the order of the discriminant.
    pub const ALL: [Self; 5] = [
        Self::Admitted,
        Self::Missing,
        Self::Invalid,
        Self::NotPermitted,
        Self::Unavailable,
    ];

    /// What became of a client that was judged so.
    pub const fn of(judged: Result<&Admitted, &Refused>) -> Self {
        match judged {
            Ok(_) => Self::Admitted,
            Err(Refused::Missing) => Self::Missing,
            Err(Refused::Invalid(_)) => Self::Invalid,
            Err(Refused::NotPermitted(_)) => Self::NotPermitted,
            Err(Refused::Unavailable(_)) => Self::Unavailable,
        }
    }

    /// Its value in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::NotPermitted => "not_permitted",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Authority {
    /// One that judges by these rules; `None` if there are none.
    pub fn new(config: &Auth, sources: &Sources) -> Option<Self> {
        (!config.rules.is_empty()).then(|| Self {
            rules: config.rules.clone(),
            jwt: Verifier::new(config, sources.keys.clone()),
        })
    }

    fn method(&self, role: Role, scope: &str) -> Method {
        let first = self.rules.iter().find(|one| one.is_for(role, scope));
        first.map_or(Method::Refuse, Rule::method)
    }

    /// A client that asks for a new session of this stream.
    ///
    /// # Errors
    /// Why it may not have one.
    pub fn admit(
        &self,
        role: Role,
        key: &StreamKey,
        visitor: &Visitor<'_>,
    ) -> Result<Admitted, Refused> {
        match self.method(role, key.scope()) {
            Method::Open => Ok(Admitted::default()),
            Method::Refuse => Err(NO_RULE),
            Method::Jwt => {
                let grant = self.grant(visitor, Age::Good)?.ok_or(Refused::Missing)?;
                let admitted = grant.of(role).allows(key).then(|| judged(grant.owner));
                admitted.ok_or(NOT_GRANTED)
            }
        }
    }

    /// A client that asks for something of a session of this stream. Its token says whose it is,
    /// and need not be good any more: a session is ended after hours with the token that it began
    /// with. Without a token it is no one client, which only the session's sealed URL makes up for.
    ///
    /// # Errors
    /// Its token is none of ours, or it has neither token nor URL.
    pub fn identify(
        &self,
        role: Role,
        scope: &str,
        visitor: &Visitor<'_>,
        has_sealed_url: bool,
    ) -> Result<Admitted, Refused> {
        let owner = match self.method(role, scope) {
            Method::Open => return Ok(Admitted::default()),
            // What began while another rule was in place may end.
            Method::Refuse | Method::Jwt => {
                let grant = self.grant(visitor, Age::Any)?;
                grant.map(|grant| grant.owner)
            }
        };
        if owner.is_none() && !has_sealed_url {
            return Err(Refused::Missing);
        }
        Ok(Admitted {
            owner,
            is_judged: true,
            dialogue: None,
        })
    }

    /// A client that opens a WebSocket in this scope, for what its URL claims. Its dialogue may
    /// claim something else later on, so what it may say is judged for both roles.
    ///
    /// # Errors
    /// Why it may not do what its URL claims.
    pub fn open(
        &self,
        scope: &str,
        claim: (Role, Option<&StreamKey>),
        visitor: &Visitor<'_>,
    ) -> Result<Admitted, Refused> {
        let methods = [Role::Publish, Role::Play].map(|role| self.method(role, scope));
        let grant = if methods.contains(&Method::Jwt) {
            self.grant(visitor, Age::Good)
                .and_then(|grant| grant.ok_or(Refused::Missing))
        } else {
            Err(NO_RULE)
        };
        let [publish, play] = [Role::Publish, Role::Play].map(|role| {
            let granted = |grant: &Grant| grant.of(role);
            match self.method(role, scope) {
                Method::Open => Permission::Any,
                Method::Refuse => Permission::No,
                Method::Jwt => grant.as_ref().map_or(Permission::No, granted),
            }
        });
        let dialogue = Dialogue::new(scope, publish, play);
        let (role, key) = claim;
        let claimed = dialogue.of(role);
        let permitted = key.map_or(*claimed != Permission::No, |key| claimed.allows(key));
        if !permitted {
            let is_judged = self.method(role, scope) == Method::Jwt;
            return Err(match grant {
                Err(refused) if is_judged => refused,
                Ok(_) if is_judged => NOT_GRANTED,
                _ => NO_RULE,
            });
        }
        Ok(Admitted {
            owner: grant.as_ref().ok().map(|grant| grant.owner),
            is_judged: methods != [Method::Open; 2],
            dialogue: (!dialogue.is_open()).then(|| Arc::new(dialogue)),
        })
    }

    fn grant(&self, visitor: &Visitor<'_>, age: Age) -> Result<Option<Grant>, Refused> {
        if !self.jwt.has_keys() {
            return Err(NO_KEYS);
        }
        let token = visitor
            .token
            .as_ref()
            .map_err(|why| Refused::Invalid(*why))?;
        let verified = token.as_ref().map(|token| self.jwt.verify(token, age));
        verified.transpose().map_err(Refused::Invalid)
    }
}

fn judged(owner: Owner) -> Admitted {
    Admitted {
        owner: Some(owner),
        is_judged: true,
        dialogue: None,
    }
}

#[cfg(test)]
mod tests;
