//! Checks that serde cannot do: rules between keys, and files.

mod addresses;
mod admin;
mod auth;
pub mod bounds;
mod credentials;
mod ice;
mod manager;
mod names;
mod nodes;
mod secrets;
mod tracing;
mod trust;

use std::{fmt::Display, path::Path};

use ipnet::IpNet;
use whipstitch_ingress::CertStore;
use whipstitch_signaling::session::SessionKeys;

use super::{Config, files};
use crate::{log_filter, secret_file, session_key_file};

/// Something that a configuration breaks.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// The keys it rests on; it is reported at the first.
    pub keys: Vec<&'static str>,
    /// The number of the item, from 0, if one of a list is meant.
    pub item: Option<usize>,
    /// What is wrong and what is allowed.
    pub what: String,
    /// A warning, not a mistake.
    pub warning: bool,
    /// A mistake to `check` that does not prevent a start: the proxy is better than none.
    pub unfit: bool,
}

impl Finding {
    fn new(keys: impl Into<Vec<&'static str>>, what: impl Into<String>) -> Self {
        Self {
            keys: keys.into(),
            item: None,
            what: what.into(),
            warning: false,
            unfit: false,
        }
    }

    fn at(mut self, item: usize) -> Self {
        self.item = Some(item);
        self
    }

    fn warning(mut self) -> Self {
        self.warning = true;
        self
    }
}

/// Everything wrong with a configuration, however it was made. Opens the certificate, its key and
/// the session key.
pub fn findings(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    names::check(config, &mut found);
    addresses::check(config, &mut found);
    admin::check(config, &mut found);
    certificate(config, &mut found);
    session_key(config, &mut found);
    nodes::check(config, &mut found);
    credentials::check(config, &mut found);
    trust::check(config, &mut found);
    auth::check(config, &mut found);
    ice::check(config, &mut found);
    secrets::check(config, &mut found);
    bounds::check(config, &mut found);
    waits(config, &mut found);
    lookups(config, &mut found);
    log_filter(config, &mut found);
    tracing::check(config, &mut found);
    found
}

/// A file with one secret word.
fn secret_word<T, E: Display>(
    key: &'static str,
    path: &Path,
    parse: impl FnOnce(&str) -> Result<T, E>,
    found: &mut Vec<Finding>,
) {
    if let Err(what) = secret_file::read(path, parse) {
        found.push(Finding::new([key], what));
    }
}

/// Addresses are compared in their IPv4 form, so that a network of the mapped ones never holds one
/// (RFC 4291 §2.5.5.2).
fn mapped(key: &'static str, networks: &[IpNet], found: &mut Vec<Finding>) {
    for (item, network) in networks.iter().enumerate() {
        let IpNet::V6(v6) = network else { continue };
        let length = v6.prefix_len().checked_sub(96);
        let v4 = v6.network().to_ipv4_mapped().zip(length);
        if let Some((v4, length)) = v4 {
            let what = format!("{network} has no effect; write {v4}/{length}");
            found.push(Finding::new([key], what).at(item));
        }
    }
}

fn certificate(config: &Config, found: &mut Vec<Finding>) {
    let https = !config.listen.https.is_empty();
    let before = found.len();
    for (key, path, block) in [
        ("tls.cert", &config.tls.cert, files::Block::Certificate),
        ("tls.key", &config.tls.key, files::Block::PrivateKey),
    ] {
        match path {
            None if https => {
                let what = format!(
                    "is missing: listen.https cannot speak TLS without a {}",
                    block.name()
                );
                found.push(Finding::new([key, "listen.https"], what));
            }
            None => {}
            Some(path) => {
                if let Err(what) = files::check(path, block) {
                    found.push(Finding::new([key], what));
                } else if !https {
                    let what = "is not used: no address in listen.https";
                    found.push(Finding::new([key, "listen.https"], what).warning());
                }
            }
        }
    }
    if let (true, Some(cert), Some(key)) = (https, &config.tls.cert, &config.tls.key)
        && found.len() == before
    {
        match CertStore::load(cert, key) {
            Err(error) => found.push(Finding::new(["tls.key", "tls.cert"], error.to_string())),
            Ok(store) => judged(&store, config, found),
        }
    }
}

/// What is to be said of a certificate that can be used.
fn judged(store: &CertStore, config: &Config, found: &mut Vec<Finding>) {
    for note in store.notes() {
        found.push(Finding::new(["tls.cert"], note).warning());
    }
    for host in store.not_for(&config.proxy.hosts) {
        let what = format!("the certificate is not for {host}, which is in proxy.hosts");
        found.push(Finding::new(["tls.cert", "proxy.hosts"], what).warning());
    }
    if let Some(what) = store.invalid() {
        let mut finding = Finding::new(["tls.cert"], format!("{what}; clients refuse it"));
        finding.unfit = true;
        found.push(finding);
    }
}

fn session_key(config: &Config, found: &mut Vec<Finding>) {
    let Some(path) = &config.sessions.key_file else {
        return;
    };
    let key = ["sessions.key_file"];
    if files::is_a_name(path).is_ok() && session_key_file::is_missing(path) {
        let what = format!("{} {}", path.display(), session_key_file::MISSING);
        found.push(Finding::new(key, what).warning());
        return;
    }
    let keys = files::readable(path).and_then(|text| {
        SessionKeys::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    });
    match keys {
        Err(what) => found.push(Finding::new(key, what)),
        Ok(_) if session_key_file::is_open_to_all(path) => {
            let what = format!("{} can be read by every user; chmod o-r", path.display());
            found.push(Finding::new(key, what).warning());
        }
        Ok(_) => {}
    }
}

fn waits(config: &Config, found: &mut Vec<Finding>) {
    let timeouts = &config.timeouts;
    if timeouts.answer < timeouts.connect {
        let what = format!(
            "is {:?}, shorter than timeouts.connect ({:?}); it has to be at least as long",
            timeouts.answer, timeouts.connect
        );
        found.push(Finding::new(["timeouts.answer", "timeouts.connect"], what));
    }
}

fn lookups(config: &Config, found: &mut Vec<Finding>) {
    let (manager, answer) = (config.stream_manager.timeout, config.timeouts.answer);
    if manager >= answer {
        let what = format!(
            "is {manager:?}, not shorter than timeouts.answer ({answer:?}), which holds the lookup and the node's own \
             answer: a slow Stream Manager leaves the node no time"
        );
        let keys = ["stream_manager.timeout", "timeouts.answer"];
        found.push(Finding::new(keys, what).warning());
    }
}

fn log_filter(config: &Config, found: &mut Vec<Finding>) {
    if let Err(error) = log_filter::parse(&config.log.filter) {
        let what = format!(
            "is not a filter such as \"info\" or \"info,whipstitch_origin=debug\": {error}"
        );
        found.push(Finding::new(["log.filter"], what));
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    /// What is said of a key file, and whether it is only a warning.
    fn said(path: &std::path::Path) -> Vec<(String, bool)> {
        let mut config = Config::default();
        config.sessions.key_file = Some(path.to_owned());
        let mut found = Vec::new();
        session_key(&config, &mut found);
        found
            .into_iter()
            .map(|finding| (finding.what, finding.warning))
            .collect()
    }

    #[test]
    fn a_key_file_that_is_missing_or_open_to_all_is_worth_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.key");
        let missing = said(&path);
        assert!(
            matches!(&*missing, [(what, true)] if what.contains("does not exist") && what.contains("replicas")),
            "{missing:?}"
        );
        fs::write(&path, "A".repeat(43) + "=\n").unwrap();
        for (mode, open) in [
            (0o600, false),
            (0o400, false),
            (0o640, false),
            (0o644, true),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let found = said(&path);
            assert_eq!(found.len(), usize::from(open), "{mode:o}: {found:?}");
            assert!(found.iter().all(|(_, warning)| *warning));
        }
        let key = said(std::path::Path::new(&("A".repeat(43) + "=")));
        assert!(
            matches!(&*key, [(what, false)] if !what.contains("AAAA")),
            "{key:?}"
        );
    }
}
