//! What was imported → the text of a configuration file, with a comment on every line about where
//! it came from.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use toml::Value;

use super::rules::Imported;

/// Red5's usual port for HTTP (Red5 Pro documentation, "Deploy and Configure Stream Manager").
const USUAL_PORT: u16 = 5080;

/// What the command line says beside the files.
pub(super) struct Wishes {
    /// The Stream Manager's URL.
    pub(super) manager: Option<String>,
    /// The address for TLS.
    pub(super) https: String,
    /// The certificate and its key.
    pub(super) pair: Option<(PathBuf, PathBuf)>,
    /// Where the token is written.
    pub(super) token_file: Option<PathBuf>,
}

/// The text of a configuration file in the making.
pub(super) struct Page(String);

impl Page {
    /// The page for what was imported.
    pub(super) fn new(imported: &Imported, wishes: &Wishes) -> Self {
        let mut page = Self(String::new());
        page.note("Written by `whipstitch import`. `whipstitch check --config FILE` says whether it is right;");
        page.note(
            "deploy/whipstitch.toml and `whipstitch config schema` tell what else can be set.",
        );
        page.manager(imported, wishes);
        page.listen(wishes);
        page.nodes(imported);
        page.proxy(imported);
        page.left_out(imported);
        page
    }

    /// The text.
    pub(super) fn text(self) -> String {
        self.0
    }

    fn note(&mut self, what: &str) {
        self.0.push_str("# ");
        self.0.push_str(what);
        self.0.push('\n');
    }

    fn section(&mut self, name: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "\n[{name}]");
    }

    fn set(&mut self, from: &str, key: &str, value: impl Into<Value>) {
        self.note(from);
        let _ = writeln!(self.0, "{key} = {}", value.into());
    }

    fn manager(&mut self, imported: &Imported, wishes: &Wishes) {
        self.section("stream_manager");
        let at = |port: u16| format!("http://127.0.0.1:{port}");
        match (&wishes.manager, &imported.manager_port) {
            (Some(url), _) => self.set("from --stream-manager", "url", url.clone()),
            (None, Some((port, source))) => self.set(
                &format!("the port from {source}; the host is this machine unless you change it"),
                "url",
                at(*port),
            ),
            (None, None) => self.set(
                "in no property: this machine and Red5's usual port, unless you change it",
                "url",
                at(USUAL_PORT),
            ),
        }
        if let (Some(source), Some(path)) = (&imported.token_source, &wishes.token_file) {
            self.set(
                &format!("the file holds {source}"),
                "access_token_file",
                shown(path),
            );
        }
    }

    fn listen(&mut self, wishes: &Wishes) {
        self.section("listen");
        let Some((cert, key)) = &wishes.pair else {
            let why = "in no property, and no --cert was given: plain HTTP for this machine only. Browsers need https and [tls]";
            self.set(why, "http", vec!["127.0.0.1:8080".to_owned()]);
            self.admin();
            return;
        };
        self.set(
            "from --https, or its default",
            "https",
            vec![wishes.https.clone()],
        );
        self.admin();
        self.section("tls");
        self.set("from --cert", "cert", shown(cert));
        self.set("from --key", "key", shown(key));
    }

    fn admin(&mut self) {
        let why = "in no property: for probes, Prometheus and `whipstitch status`";
        self.set(why, "admin", "127.0.0.1:9090");
    }

    fn nodes(&mut self, imported: &Imported) {
        if let Some((port, source)) = &imported.node_port {
            self.section("nodes");
            self.set(&format!("from {source}"), "port", i64::from(*port));
        }
    }

    fn proxy(&mut self, imported: &Imported) {
        let Some((enabled, source)) = &imported.enabled else {
            return;
        };
        self.section("proxy");
        if !enabled {
            self.note("ATTENTION: the Stream Manager's proxy was switched off, so this one refuses WHIP, WHEP and WebSockets too;");
            self.note("true switches it on.");
        }
        self.set(&format!("from {source}"), "enabled", *enabled);
    }

    fn left_out(&mut self, imported: &Imported) {
        if imported.left_out.is_empty() {
            return;
        }
        self.0.push('\n');
        self.note("Left out:");
        for (names, why) in imported.by_reason() {
            self.note(&format!("- {why}:"));
            for name in names {
                self.note(&format!("    {name}"));
            }
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
