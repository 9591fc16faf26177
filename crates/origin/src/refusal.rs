//! Why an address is not dialled.

use thiserror::Error;

/// Why an address is not dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Refusal {
    /// It is written neither as a plain IP address nor as a host name.
    #[error("is not an IP address (write it without port, brackets, zone or path)")]
    NotAnAddress,
    /// It is a name that no entry of `nodes.allow_names` holds.
    #[error("is a name; only `nodes.allow_names` can open it")]
    Name,
    /// It is a name without a known address.
    #[error("is a name that cannot be resolved")]
    Unresolved,
    /// It is a special address, or a name one of whose addresses is, that no configured network
    /// opens.
    #[error(
        "is a special address; only a network of `nodes.allow` inside its special network can open it"
    )]
    Special,
    /// The Stream Manager has not named it recently, and no configured network holds it.
    #[error("was not named by the Stream Manager; `nodes.allow` can open it")]
    Unknown,
    /// This proxy itself listens there, or the Stream Manager.
    #[error(
        "is an address that this proxy or the Stream Manager listens on; only an entry of `nodes.allow` for just this address can open it"
    )]
    Ours,
}

impl Refusal {
    /// All of them, in the order of the reference.
    pub const ALL: [Self; 6] = [
        Self::NotAnAddress,
        Self::Name,
        Self::Unresolved,
        Self::Special,
        Self::Unknown,
        Self::Ours,
    ];

    /// Its value in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotAnAddress => "not_an_address",
            Self::Name => "name",
            Self::Unresolved => "unresolved",
            Self::Special => "special",
            Self::Unknown => "unknown",
            Self::Ours => "ours",
        }
    }
}
