//! Sealed session URLs.
//!
//! A token holds the node's address and the session's own path there, sealed with AES-256-GCM under
//! a key that all replicas share, and bound to the role and the stream of the URL that it stands
//! in. So any replica, and the same one after a restart, reaches the right node without a shared
//! store; clients see no node's address; and no client ends another's session by guessing a name
//! (RFC 9725 §5).
//!
//! On the wire: `base64url(version ‖ key id ‖ nonce ‖ ciphertext ‖ tag)`, about 100 characters.

use std::{fmt, net::IpAddr, ops::RangeInclusive, sync::Arc};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    digest,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::uri::PathAndQuery;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Role, StreamKey, owner::Owner, tag::Tag};

const VERSION: u8 = 3;
/// Versions that there may be, former and future ones.
const VERSIONS: RangeInclusive<u8> = 1..=15;
const KEY_LEN: usize = 32;
const KEY_ID_LEN: usize = 4;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
const HEADER_LEN: usize = 1 + KEY_ID_LEN;
/// Longest token that is opened, in characters: a path of [`crate::rewrite::MAX_RESOURCE`], or the
/// two of an extension, and what stands around them.
const MAX_TOKEN: usize = (crate::rewrite::MAX_RESOURCE + 128) * 4 / 3;
/// Most keys in one ring.
const MAX_KEYS: usize = 16;

/// What a token holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The node's address; its port is the one that this proxy is configured with.
    pub node: IpAddr,
    /// The session's path and query at that node.
    pub resource: PathAndQuery,
    /// When the session was made, in milliseconds since 1970: two publishers of one name can follow
    /// each other within a second.
    pub issued_at: u64,
    /// Whose entity tag its client goes by.
    pub tag: Tag,
    /// Who made it, if that was judged.
    pub owner: Option<Owner>,
}

/// The wire form of a [`Session`]; the usual resource path is left out, since the URL around the
/// token has it.
#[derive(Serialize, Deserialize)]
struct Sealed<'s> {
    node: IpAddr,
    issued_at: u64,
    tag: Tag,
    resource: Option<&'s str>,
}

/// A ring of keys: the first seals, all open.
pub struct SessionKeys(Vec<Arc<SessionKey>>);

struct SessionKey {
    id: [u8; KEY_ID_LEN],
    key: RandomizedNonceKey,
}

impl SessionKeys {
    /// A ring with one key of this process alone: sessions end with it.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = [0; KEY_LEN];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::Unusable)?;
        Ok(Self(vec![Arc::new(SessionKey::new(&bytes)?)]))
    }

    /// Reads a key file: one key a line, 32 bytes in base64 (`openssl rand -base64 32`); empty
    /// lines and `#` comments are skipped.
    ///
    /// To rotate, add the new key as the last line everywhere; when every replica has read it, move
    /// it to the top; take the old one out when its sessions are over. A new key that comes first
    /// seals tokens at once, which replicas that have not read it yet cannot open.
    ///
    /// # Errors
    /// The line that is not a key; no key at all; more than 16.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        // As editors save it: a byte order mark, and any kind of line end.
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        for (number, line) in (1..).zip(text.split(['\n', '\r'])) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bytes = STANDARD
                .decode(line)
                .or_else(|_| URL_SAFE_NO_PAD.decode(line));
            let bytes = bytes
                .ok()
                .and_then(|bytes| <[u8; KEY_LEN]>::try_from(bytes).ok());
            keys.push(Arc::new(SessionKey::new(
                &bytes.ok_or(KeyError::Line(number))?,
            )?));
        }
        match keys.len() {
            0 => Err(KeyError::Empty),
            1..=MAX_KEYS => Ok(Self(keys)),
            _ => Err(KeyError::TooMany),
        }
    }

    /// The ring that comes after this one when `newer` has been read: all of its keys, and then as
    /// many of this one's as there is room for, so that sessions outlive the key that sealed them.
    #[must_use]
    pub fn renewed(&self, newer: Self) -> Self {
        let mut keys = newer.0;
        for key in &self.0 {
            if keys.len() < MAX_KEYS && keys.iter().all(|kept| kept.id != key.id) {
                keys.push(key.clone());
            }
        }
        Self(keys)
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Seals a session for the URL of this role and stream.
    ///
    /// # Errors
    /// [`Unsealable`]: the crypto library failed, which leaves nothing to do but to refuse the session.
    pub fn seal(
        &self,
        role: Role,
        key: &StreamKey,
        session: &Session,
    ) -> Result<String, Unsealable> {
        let resource =
            Some(session.resource.as_str()).filter(|path| *path != usual_resource(role, key));
        let plain = Sealed {
            node: session.node,
            issued_at: session.issued_at,
            tag: session.tag,
            resource,
        };
        let mut plain = postcard::to_allocvec(&plain).map_err(|_| Unsealable)?;
        Owner::append(session.owner, &mut plain);
        self.seal_for(Purpose::Session, role, key, plain)
    }

    pub(crate) fn seal_for(
        &self,
        purpose: Purpose,
        role: Role,
        key: &StreamKey,
        mut sealed: Vec<u8>,
    ) -> Result<String, Unsealable> {
        let ring = self.0.first().ok_or(Unsealable)?;
        let header = ring.header();
        let nonce = ring
            .key
            .seal_in_place_append_tag(bound_to(&header, purpose, role, key), &mut sealed)
            .map_err(|_| Unsealable)?;
        let mut wire = Vec::with_capacity(HEADER_LEN + NONCE_LEN + sealed.len());
        wire.extend_from_slice(&header);
        wire.extend_from_slice(nonce.as_ref());
        wire.extend_from_slice(&sealed);
        Ok(URL_SAFE_NO_PAD.encode(wire))
    }

    /// Opens a token that stands in the URL of this role and stream.
    ///
    /// `None` for whatever is not exactly what a key of this ring sealed for this URL: the caller
    /// cannot, and must not, tell one reason from another.
    pub fn open(&self, role: Role, key: &StreamKey, token: &str) -> Option<Session> {
        let plain = self.open_for(Purpose::Session, role, key, token)?;
        let (plain, rest): (Sealed<'_>, _) = postcard::take_from_bytes(&plain).ok()?;
        let resource = match plain.resource {
            Some(resource) => resource.parse().ok()?,
            None => usual_resource(role, key).parse().ok()?,
        };
        Some(Session {
            node: plain.node,
            resource,
            issued_at: plain.issued_at,
            tag: plain.tag,
            owner: Owner::read(rest).ok()?,
        })
    }

    /// Whether this looks like something that was sealed with a key that is not in this ring: by a
    /// replica that has another key file, or by this one before it was started anew.
    pub(crate) fn is_of_another_ring(&self, text: &str) -> bool {
        let Some(wire) = (text.len() <= MAX_TOKEN)
            .then(|| URL_SAFE_NO_PAD.decode(text).ok())
            .flatten()
        else {
            return false;
        };
        let is_long_enough = wire.len() > HEADER_LEN + NONCE_LEN + TAG_LEN;
        let is_ours =
            |header: &[u8; HEADER_LEN]| self.0.iter().any(|ring| ring.header() == *header);
        is_long_enough
            && wire.first_chunk().is_some_and(|header| {
                let [version, _, _, _, _] = header;
                VERSIONS.contains(version) && !is_ours(header)
            })
    }

    pub(crate) fn open_for(
        &self,
        purpose: Purpose,
        role: Role,
        key: &StreamKey,
        token: &str,
    ) -> Option<Vec<u8>> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let wire = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (header, rest) = wire.split_at_checked(HEADER_LEN)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let ring = self.0.iter().find(|ring| ring.header() == header)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let bound = bound_to(header, purpose, role, key);
        let plain = ring.key.open_in_place(nonce, bound, &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

/// What something was sealed for. It is no use for anything else.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// A session's URL.
    Session,
    /// A node's handle.
    Handle,
    /// An extension's URL.
    Extension,
}

impl Purpose {
    /// What the additional data of each begins with; no two begin alike, since a role stands after
    /// it.
    const fn mark(self) -> &'static [u8] {
        match self {
            Self::Session => b"",
            Self::Handle => b"host:",
            Self::Extension => b"extension:",
        }
    }
}

/// Keys are secrets: their ids only.
impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|ring| u32::from_be_bytes(ring.id)))
            .finish()
    }
}

impl SessionKey {
    fn new(bytes: &[u8; KEY_LEN]) -> Result<Self, KeyError> {
        let fingerprint = digest::digest(&digest::SHA256, bytes);
        let id = fingerprint
            .as_ref()
            .first_chunk()
            .copied()
            .ok_or(KeyError::Unusable)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes).map_err(|_| KeyError::Unusable)?;
        Ok(Self { id, key })
    }

    fn header(&self) -> [u8; HEADER_LEN] {
        let [a, b, c, d] = self.id;
        [VERSION, a, b, c, d]
    }
}

/// The additional data: a token works only in the URL that it was made for.
fn bound_to(header: &[u8], purpose: Purpose, role: Role, key: &StreamKey) -> Aad<Vec<u8>> {
    let mut bound = header.to_vec();
    bound.extend_from_slice(purpose.mark());
    bound.extend_from_slice(role.protocol().as_bytes());
    bound.push(b'/');
    bound.extend_from_slice(key.as_str().as_bytes());
    Aad::from(bound)
}

/// Where a Red5 node keeps a session (Red5 Pro documentation, WHIP/WHEP configuration).
fn usual_resource(role: Role, key: &StreamKey) -> String {
    let (scope, name) = (key.scope(), key.name());
    ["/", scope, "/", role.protocol(), "/resource/", name].concat()
}

/// A session could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the session URL could not be sealed")]
pub struct Unsealable;

/// A key file that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// This line is not a key.
    #[error("line {0} is not 32 bytes in base64; make a key with `openssl rand -base64 32`")]
    Line(usize),
    /// There is no key in it.
    #[error("it holds no key; make one with `openssl rand -base64 32`")]
    Empty,
    /// There are more keys than any rotation needs.
    #[error("it holds more than {MAX_KEYS} keys")]
    TooMany,
    /// The crypto library refuses it.
    #[error("the crypto library cannot use it")]
    Unusable,
}

#[cfg(test)]
mod tests;
