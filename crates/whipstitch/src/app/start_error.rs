//! Why a proxy does not start.

use std::{io, net::SocketAddr};

use thiserror::Error;
use whipstitch_ingress::TlsError;
use whipstitch_signaling::session::KeyError;

use whipstitch_admin::SocketError;
use whipstitch_config::ManagerAddressError;

use whipstitch_ingress::inherited::Unwanted;

use crate::{
    auth_keys::AuthKeysError, ice::IceFileError, session_keys::KeyFileError, telemetry::OtlpError,
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
    /// A file with keys of tokens cannot be used.
    #[error(transparent)]
    AuthKeys(#[from] AuthKeysError),
    /// No session key can be made.
    #[error("no session key can be made: {0}")]
    Keys(#[source] KeyError),
    /// The Stream Manager's address cannot be used.
    #[error(transparent)]
    Manager(#[from] ManagerAddressError),
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
