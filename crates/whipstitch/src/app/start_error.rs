//! Why a proxy does not start.

use std::{io, net::SocketAddr, path::PathBuf};

use thiserror::Error;
use whipstitch_ingress::TlsError;
use whipstitch_origin::{BaseUrlError, HostError, PathError, connect::RootsError};
use whipstitch_signaling::session::KeyError;

use crate::{
    admin::SocketError, ice::IceFileError, inherited::Unwanted, session_keys::KeyFileError,
    telemetry::OtlpError,
};

/// Why the proxy did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be bound.
    #[error("cannot listen on {_0}: {_1}")]
    Bind(SocketAddr, #[source] io::Error),
    /// The service manager listens where nothing is configured.
    #[error(transparent)]
    Inherited(#[from] Unwanted),
    /// The socket of the admin interface cannot be made.
    #[error("admin.socket {0}")]
    AdminSocket(#[from] SocketError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// `listen.https` without `tls.cert` and `tls.key`.
    #[error("listen.https needs tls.cert and tls.key")]
    NoCertificate,
    /// The file of the session keys cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// A file with a secret of the TURN servers cannot be used.
    #[error(transparent)]
    Ice(#[from] IceFileError),
    /// No session key can be made.
    #[error("no session key can be made: {0}")]
    Keys(#[source] KeyError),
    /// The Stream Manager's URL cannot be used.
    #[error("stream_manager.url {0}")]
    Manager(#[from] BaseUrlError),
    /// The prefix to drop from the Stream Manager's paths cannot be used.
    #[error("stream_manager.strip_prefix {0}")]
    Prefix(#[source] PathError),
    /// The host to ask the Stream Manager for is none.
    #[error("stream_manager.host {0}")]
    ManagerHost(#[from] HostError),
    /// The file of the Stream Manager's certificate authorities cannot be used.
    #[error("stream_manager.ca_file {} {_1}", _0.display())]
    CaFile(PathBuf, #[source] RootsError),
    /// The system's certificate roots cannot be read.
    #[error(
        "the system's certificate roots cannot be read, which an https Stream Manager needs: {0}"
    )]
    Roots(#[source] io::Error),
    /// Spans cannot be exported.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    /// Two metrics of one name: a defect of ours.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}
