//! The address of the Stream Manager, from `[stream_manager]`.

use std::path::PathBuf;

use thiserror::Error;
use whipstitch_origin::{
    BaseUrl, BaseUrlError, HostError, PathError, Resolver,
    config::StreamManager,
    connect::{ManagerAddress, Roots, RootsError},
};

/// Why the Stream Manager's address cannot be used.
#[derive(Debug, Error)]
pub enum ManagerAddressError {
    /// The URL is malformed.
    #[error("stream_manager.url {0}")]
    Url(#[from] BaseUrlError),
    /// The prefix to drop from its paths is malformed.
    #[error("stream_manager.strip_prefix {0}")]
    Prefix(#[source] PathError),
    /// The host to send to it is malformed.
    #[error("stream_manager.host {0}")]
    Host(#[from] HostError),
    /// The file of its certificate authorities cannot be used.
    #[error("stream_manager.ca_file {} {_1}", _0.display())]
    CaFile(PathBuf, #[source] RootsError),
}

/// The address, resolved by `resolver`.
///
/// # Errors
/// A key of `[stream_manager]` is malformed, or its file cannot be read.
pub fn manager_address(
    config: &StreamManager,
    resolver: Resolver,
) -> Result<ManagerAddress, ManagerAddressError> {
    let mut base = BaseUrl::parse(config.url.as_deref().unwrap_or_default())?;
    if let Some(prefix) = &config.strip_prefix {
        base = base
            .without_prefix(prefix)
            .map_err(ManagerAddressError::Prefix)?;
    }
    if let Some(host) = &config.host {
        base = base.asking_for(host)?;
    }
    let read = |path: &std::path::Path| {
        Roots::read(path).map_err(|error| ManagerAddressError::CaFile(path.to_owned(), error))
    };
    let roots = config.ca_file.as_deref().map(read).transpose()?;
    Ok(ManagerAddress::trusted_by(roots, base, resolver))
}
