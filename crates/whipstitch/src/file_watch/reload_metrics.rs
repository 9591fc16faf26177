//! Counters of watched files.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Counts the changes of a file, and says whether its present content can be used. Clones share one
/// state.
#[derive(Clone, Debug)]
pub(crate) struct ReloadMetrics {
    done: IntCounter,
    failed: IntCounter,
    unusable: IntGauge,
}

impl ReloadMetrics {
    /// Of the certificates: `certificate_reloads_total`, `certificate_files_unusable`.
    ///
    /// # Errors
    /// Others of the same name are registered already.
    pub(crate) fn of_certificates(registry: &Registry) -> prometheus::Result<Self> {
        let reloads = Opts::new(
            "certificate_reloads_total",
            "Times that changed certificate files were read, by result.",
        );
        let unusable = IntGauge::new(
            "certificate_files_unusable",
            "Whether the certificate files cannot be used as they are (1), so that what was read from them before is still in use, or can (0).",
        )?;
        Self::register(registry, reloads, "done", unusable)
    }

    /// Of the session keys: `session_key_reloads_total`, `session_key_file_unusable`.
    ///
    /// # Errors
    /// Others of the same name are registered already.
    pub(crate) fn of_session_keys(registry: &Registry) -> prometheus::Result<Self> {
        let reloads = Opts::new(
            "session_key_reloads_total",
            "Times that a changed file of session keys was read, by result.",
        );
        let unusable = IntGauge::new(
            "session_key_file_unusable",
            "Whether the file of session keys is missing or cannot be used (1), so that session URLs are sealed with former keys or one of this process' own, or can (0).",
        )?;
        Self::register(registry, reloads, "ok", unusable)
    }

    /// Of the secrets of TURN servers: `ice_secret_reloads_total`, `ice_secret_files_unusable`.
    ///
    /// # Errors
    /// Others of the same name are registered already.
    pub(crate) fn of_ice_secrets(registry: &Registry) -> prometheus::Result<Self> {
        let reloads = Opts::new(
            "ice_secret_reloads_total",
            "Times that a changed secret of the TURN servers was read, by result.",
        );
        let unusable = IntGauge::new(
            "ice_secret_files_unusable",
            "Whether a file with a secret of the TURN servers cannot be used as it is (1), so that the former secret is still in use, or can (0).",
        )?;
        Self::register(registry, reloads, "ok", unusable)
    }

    /// Of the keys of tokens: `auth_key_reloads_total`, `auth_key_files_unusable`.
    ///
    /// # Errors
    /// Others of the same name are registered already.
    pub(crate) fn of_auth_keys(registry: &Registry) -> prometheus::Result<Self> {
        let reloads = Opts::new(
            "auth_key_reloads_total",
            "Times that a changed file of auth.key_file or auth.jwks_file was read, by result.",
        );
        let unusable = IntGauge::new(
            "auth_key_files_unusable",
            "Whether a file with keys of tokens cannot be used as it is (1), so that the former keys are still in use, or can (0).",
        )?;
        Self::register(registry, reloads, "ok", unusable)
    }

    fn register(
        registry: &Registry,
        reloads: Opts,
        done: &str,
        unusable: IntGauge,
    ) -> prometheus::Result<Self> {
        let reloads = IntCounterVec::new(reloads, &["result"])?;
        registry.register(Box::new(reloads.clone()))?;
        registry.register(Box::new(unusable.clone()))?;
        Ok(Self {
            done: reloads.with_label_values(&[done]),
            failed: reloads.with_label_values(&["failed"]),
            unusable,
        })
    }

    /// Counts a change: whether it could be applied.
    pub(crate) fn count(&self, done: bool) {
        if done { &self.done } else { &self.failed }.inc();
    }

    /// Records whether the present content is unusable.
    pub(crate) fn unusable(&self, unusable: bool) {
        self.unusable.set(i64::from(unusable));
    }

    /// Applied changes, failed ones, and whether the file is unusable.
    #[cfg(test)]
    pub(crate) fn totals(&self) -> (u64, u64, bool) {
        (self.done.get(), self.failed.get(), self.unusable.get() == 1)
    }
}
