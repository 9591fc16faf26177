//! Keys of tokens. The kind of a key decides the one algorithm that it is used with, so that a
//! token cannot choose: a public key is never the secret of HS256 (RFC 8725 §3.1).
//!
//! | key | algorithm |
//! |---|---|
//! | a secret; JWK `oct` | HS256 |
//! | RSA; JWK `RSA` | RS256 |
//! | P-256; JWK `EC`, `P-256` | ES256 |
//! | Ed25519; JWK `OKP`, `Ed25519` | `EdDSA` |

use std::fmt;

use jsonwebtoken::{
    Algorithm, DecodingKey, Header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

/// Longest file, or answer of a server, that may hold keys, in bytes.
pub const MAX_TEXT: usize = 256 * 1024;
/// Most keys of one set.
const MAX_KEYS: usize = 64;
/// Shortest secret of HS256, in bytes (RFC 7518 §3.2).
const MIN_SECRET: usize = 32;
/// Length of an uncompressed point of P-256, in bytes.
const P256: usize = 65;
/// Length of a key of Ed25519, in bytes.
const ED25519: usize = 32;

/// Keys that tokens may be signed with.
#[derive(Default)]
pub struct Keys(Vec<Key>);

struct Key {
    /// `kid`, if it has one.
    id: Option<String>,
    algorithm: Algorithm,
    decoding: DecodingKey,
}

/// A set of keys; each is read by itself, so that one of an unknown kind takes no other with it.
#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl Keys {
    /// Reads a file with one key: a public key in PEM form, or else a secret of at least 32 bytes.
    ///
    /// # Errors
    /// What is wrong with it, without its content.
    pub fn of_file(text: &str) -> Result<Self, KeysError> {
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.contains("-----BEGIN") {
            return Ok(Self(vec![public(text)?]));
        }
        if text.starts_with('{') {
            return Err(KeysError::IsSet);
        }
        if text.len() < MIN_SECRET {
            return Err(KeysError::ShortSecret);
        }
        let key = DecodingKey::from_secret(text.as_bytes()).map_err(|_| KeysError::ShortSecret)?;
        Ok(Self(vec![Key {
            id: None,
            algorithm: Algorithm::HS256,
            decoding: key,
        }]))
    }

    /// Reads a set of keys (JWKS). Keys for other algorithms, and those that are not for
    /// signatures, are left out.
    ///
    /// # Errors
    /// It is no set, has no key that can be used, or more than 64.
    pub fn of_set(text: &[u8]) -> Result<Self, KeysError> {
        let set: Set = serde_json::from_slice(text).map_err(|_| KeysError::NotASet)?;
        if set.keys.len() > MAX_KEYS {
            return Err(KeysError::TooMany);
        }
        let keys: Vec<Key> = set.keys.into_iter().filter_map(of_jwk).collect();
        if keys.is_empty() {
            return Err(KeysError::None);
        }
        Ok(Self(keys))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// All of these, and those of others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The keys that a token with this header may be signed with: those of its algorithm, and of
    /// its `kid` where both have one.
    pub(crate) fn of_header<'k>(
        &'k self,
        header: &'k Header,
    ) -> impl Iterator<Item = (Algorithm, &'k DecodingKey)> {
        let is_meant = |key: &&Key| {
            let names = key.id.as_ref().zip(header.kid.as_ref());
            key.algorithm == header.alg && names.is_none_or(|(own, asked)| own == asked)
        };
        let found = self.0.iter().filter(is_meant);
        found.map(|key| (key.algorithm, &key.decoding))
    }
}

/// A public key in PEM form.
fn public(pem: &str) -> Result<Key, KeysError> {
    if pem.contains("PRIVATE KEY-----") {
        return Err(KeysError::Private);
    }
    let pem = pem.as_bytes();
    let of = |algorithm, key| Key {
        id: None,
        algorithm,
        decoding: key,
    };
    let has = |key: &DecodingKey, length| {
        let bytes = key.try_get_as_bytes();
        bytes.is_ok_and(|bytes| bytes.len() == length)
    };
    if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
        return Ok(of(Algorithm::RS256, key));
    }
    match (DecodingKey::from_ec_pem(pem), DecodingKey::from_ed_pem(pem)) {
        (Ok(key), _) if has(&key, P256) => Ok(of(Algorithm::ES256, key)),
        (_, Ok(key)) if has(&key, ED25519) => Ok(of(Algorithm::EdDSA, key)),
        _ => Err(KeysError::NotAKey),
    }
}

/// A key of a set, if it can be used.
fn of_jwk(value: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let signs = (jwk.common.public_key_use.as_ref())
        .is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKey(_) => Algorithm::HS256,
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        _ => return None,
    };
    let said = jwk.common.key_algorithm.map(|said| said.to_string());
    let agrees = said.is_none_or(|said| said.parse() == Ok(algorithm));
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    let is_long = |least| (key.try_get_as_bytes()).is_ok_and(|bytes| bytes.len() >= least);
    let is_whole = algorithm != Algorithm::HS256 || is_long(MIN_SECRET);
    (signs && agrees && is_whole).then_some(Key {
        id: jwk.common.key_id,
        algorithm,
        decoding: key,
    })
}

/// Keys are secrets, or look like them: their number and names only.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.0.iter().map(|key| (key.algorithm, &key.id));
        f.debug_list().entries(ids).finish()
    }
}

/// What is wrong with keys. No message repeats what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeysError {
    /// A private key.
    #[error("holds a private key; tokens are checked with the public one")]
    Private,
    /// PEM, and no public key of a known kind.
    #[error(
        "holds no public key of RSA, P-256 or Ed25519 in PEM form (-----BEGIN PUBLIC KEY-----)"
    )]
    NotAKey,
    /// JSON, where a key is wanted.
    #[error("looks like JSON; a set of keys is for auth.jwks_file")]
    IsSet,
    /// A secret that can be guessed.
    #[error(
        "holds a secret of fewer than 32 bytes, which can be guessed; make one with `openssl rand -base64 32`"
    )]
    ShortSecret,
    /// No set of keys.
    #[error("is no set of keys: a JSON object whose `keys` is a list (RFC 7517)")]
    NotASet,
    /// No key of a known kind.
    #[error("holds no key for HS256, RS256, ES256 or EdDSA signatures")]
    None,
    /// More than any issuer needs.
    #[error("holds more than 64 keys")]
    TooMany,
}

#[cfg(test)]
mod tests;
