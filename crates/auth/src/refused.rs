//! Why a client is refused.

use thiserror::Error;

/// Why a client may not do what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// It brings no token, and needs one.
    #[error("this needs a token: in `Authorization: Bearer`, or in the query key `token`")]
    Missing,
    /// Its token is not good.
    #[error("the token is not accepted: {0}")]
    Invalid(Why),
    /// It is known, or need not be, and may not do this.
    #[error("{0}")]
    NotPermitted(&'static str),
    /// It cannot be judged at present.
    #[error("whether this is permitted cannot be decided now: {0}")]
    Unavailable(&'static str),
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Why {
    /// No token of a kind that is accepted.
    #[error("it is no JSON Web Token that is signed with HS256, RS256, ES256 or EdDSA")]
    Malformed,
    /// More bytes than any token needs.
    #[error("it is longer than 8192 bytes")]
    TooLong,
    /// Two different tokens in one request.
    #[error("the request brings more than one")]
    Several,
    /// No key of this kind and name.
    #[error("there is no key here that its header names, or none for its algorithm")]
    UnknownKey,
    /// The signature is that of another key, or of another token.
    #[error("its signature is wrong")]
    Signature,
    /// `exp` is in the past.
    #[error("it has expired (`exp`)")]
    Expired,
    /// `nbf` is in the future.
    #[error("it is not valid yet (`nbf`)")]
    Immature,
    /// `aud` is not `auth.audience`.
    #[error("it is for another audience (`aud`)")]
    Audience,
    /// `iss` is not `auth.issuer`.
    #[error("it is from another issuer (`iss`)")]
    Issuer,
    /// A claim that is required is not there, or one is not of its form.
    #[error(
        "a claim is missing or malformed: `exp` is required, `role` is `publish` or `play`, `stream` is a pattern, and each may be a list"
    )]
    Claim,
}
