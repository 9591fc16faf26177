//! ICE servers: what a client may ask for its address, or to relay its media.
//!
//! A TURN server that shares a secret with us takes a user name that holds its own end, and a
//! password that every holder of the secret can make (draft-uberti-behave-turn-rest-00; coturn's
//! `use-auth-secret` and `static-auth-secret`): `username = expiry ":" user`, `password =
//! base64(HMAC-SHA1(secret, username))`. So each session gets one of its own, and nothing is
//! stored.

mod secret;
mod url;

use std::fmt;

pub use self::{
    secret::{SecretError, TurnSecret},
    url::{IceUrl, IceUrlError},
};
use crate::link::Link;

/// The relation of an ICE server (RFC 9725 §4.6).
pub const RELATION: &str = "ice-server";

/// A user name and a password. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password, `credential` in a link.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(...)")
    }
}

/// One ICE server, as it is offered to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceServer {
    /// Its URL.
    pub url: IceUrl,
    /// What it asks for; a TURN server does.
    pub credentials: Option<Credentials>,
}

impl IceServer {
    /// Reads a link that has the relation [`RELATION`].
    ///
    /// # Errors
    /// Its target is no URL of an ICE server.
    pub fn from_link(link: &Link) -> Result<Self, IceUrlError> {
        let url = link.target.parse()?;
        let credentials =
            link.param("username")
                .zip(link.param("credential"))
                .map(|(username, password)| Credentials {
                    username: username.to_owned(),
                    password: password.to_owned(),
                });
        Ok(Self { url, credentials })
    }

    /// As a link, in the order of RFC 9725 §4.6: `MediaMTX`'s reader.js (2026-08) knows no other.
    pub fn to_link(&self) -> Link {
        let mut params = vec![("rel", RELATION)];
        if let Some(credentials) = &self.credentials {
            params.push(("username", &credentials.username));
            params.push(("credential", &credentials.password));
            params.push(("credential-type", "password"));
        }
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Link {
            target: self.url.as_str().to_owned(),
            params: params.into_iter().map(owned).collect(),
        }
    }

    /// Whether red5pro-webrtc-sdk 11.0.0 reads this server as it is meant.
    ///
    /// It divides the value at every `;`, each part at every `=`, takes the second piece and drops
    /// all quotes. So a password that holds `=` arrives cut off, as all do that a secret makes: 20
    /// bytes end in one `=` in base64.
    pub fn is_legible_to_red5(&self) -> bool {
        let plain = |text: &str| !text.contains(['=', ';', '"', '\\']) && text.trim() == text;
        self.credentials
            .as_ref()
            .is_none_or(|credentials| plain(&credentials.username) && plain(&credentials.password))
            && !self.url.as_str().contains(';')
    }
}

/// The one server for a client that reads only one: TURN before STUN, since a relay also reports
/// the address, plain before TLS; and only what it reads as it is meant.
pub fn only_one(servers: &[IceServer]) -> Option<&IceServer> {
    let legible = servers.iter().filter(|server| server.is_legible_to_red5());
    // A TURN server without credentials makes the browser's `RTCPeerConnection` throw.
    let usable = legible.filter(|server| !server.url.relays() || server.credentials.is_some());
    usable.min_by_key(|server| (!server.url.relays(), server.url.is_secure()))
}

/// What is configured: servers of our own, and how a client gets in there.
#[derive(Clone, Debug, Default)]
pub struct IceServers {
    /// Their URLs.
    pub urls: Vec<IceUrl>,
    /// Credentials that do not change.
    pub fixed: Option<Credentials>,
    /// Makes credentials for each session.
    pub secret: Option<TurnSecret>,
    /// How long such credentials are good for, in seconds.
    pub ttl: u64,
    /// Whether they stand in for the node's own instead of beside them.
    pub replace: bool,
}

impl IceServers {
    /// The servers for one session: `user` is told apart in the TURN server's log, `now` is in
    /// seconds since 1970.
    ///
    /// With a secret each session has credentials of its own, which end, and the fixed ones stay
    /// with those who can read no others.
    pub fn for_session(&self, user: &str, now: u64) -> Vec<IceServer> {
        let minted = self
            .secret
            .as_ref()
            .map(|secret| secret.mint(user, now.saturating_add(self.ttl)));
        self.with(minted.as_ref().or(self.fixed.as_ref()))
    }

    /// The servers for a client that cannot read what a secret makes (see
    /// [`IceServer::is_legible_to_red5`]): TURN servers with the fixed credentials, if there are
    /// some.
    pub fn for_everybody(&self) -> Vec<IceServer> {
        self.with(self.fixed.as_ref())
    }

    fn with(&self, credentials: Option<&Credentials>) -> Vec<IceServer> {
        let server = |url: &IceUrl| {
            if !url.relays() {
                let credentials = None;
                let url = url.clone();
                return Some(IceServer { url, credentials });
            }
            // A TURN server without credentials is useless.
            Some(IceServer {
                url: url.clone(),
                credentials: Some(credentials?.clone()),
            })
        };
        self.urls.iter().filter_map(server).collect()
    }
}

#[cfg(test)]
mod tests;
