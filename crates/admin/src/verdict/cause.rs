//! Every cause of a verdict.

use serde::{Serialize, Serializer};

/// How bad a cause is; the number is the value of `whipstitch_verdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Clients are served; something is worth a look.
    Warning = 1,
    /// Clients are not served, or will not be soon.
    ActionRequired = 2,
}

macro_rules! causes {
    ($($kind:ident $slug:literal $action:literal)*) => {
        /// A cause, which is a label value of `whipstitch_verdict`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "slug and action say it")]
        pub enum CauseKind { $($kind),* }

        impl CauseKind {
            /// Every cause, in the order of the discriminants.
            pub const ALL: [Self; [$($slug),*].len()] = [$(Self::$kind),*];

            /// Its name in JSON and metrics.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug),* }
            }

            /// What to do about it.
            pub const fn action(self) -> &'static str {
                match self { $(Self::$kind => $action),* }
            }
        }
    };
}

causes! {
    Starting "starting"
        "Wait; if it lasts, the log says which listener or file is missing."
    Draining "draining"
        "Stop the process (SIGTERM) once it is drained; it accepts no clients any more."
    NodesEjected "nodes-ejected"
        "Look at the nodes that whipstitch nodes lists; the others take the clients meanwhile."
    AllNodesEjected "all-nodes-ejected"
        "Check that the nodes are up, that nodes.port is theirs and open from here."
    AttemptsFailing "attempts-failing"
        "The errors by problem on the status page, or whipstitch_problems_total, say why; deploy/reference/problems.md says what to do about each."
    ManagerDown "manager-down"
        "Check stream_manager.url, the manager, and the network between."
    ManagerLogin "manager-login"
        "Correct stream_manager.user_file and stream_manager.password_file."
    CertificateEnding "certificate-ending"
        "Renew it, and write certificate and key to the files of tls.cert and tls.key; they are used within ten seconds."
    CertificateUnusable "certificate-unusable"
        "Correct the files of tls.cert and tls.key; the former certificate is in use until it ends."
    SessionKeysUnusable "session-keys-unusable"
        "Put the same file (sessions.key_file) on every replica."
    IceSecretUnusable "ice-secret-unusable"
        "Correct the files of [ice]; the former secret is in use."
    ConfigurationUnusable "configuration-unusable"
        "Correct what whipstitch check names, then run whipstitch reload; the former configuration is in use."
    ReloadFailed "reload-failed"
        "Correct it, then run whipstitch reload; what was in use before still is."
    LimitReached "limit-reached"
        "Add replicas, or raise the limit, with LimitNOFILE and memory."
}

impl Serialize for CauseKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.slug())
    }
}
