//! What `whipstitch check` says when there is nothing to complain about.

use std::fmt::{self, Display, Write as _};

use whipstitch_signaling::Api;

use super::Loaded;

impl Display for Loaded {
    /// "whipstitch.toml: ok", and in a few lines what would be started. Holds no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        match &self.file {
            Some(file) => writeln!(f, "{}: ok", file.display())?,
            None => writeln!(f, "configuration: ok")?,
        }
        let config = &self.config;
        let manager = &config.stream_manager;
        let url = manager.url.as_deref().unwrap_or("none");
        write!(f, "  Stream Manager  {url}, ")?;
        match manager.api {
            Api::V1 => writeln!(f, "API {}", manager.api_version)?,
            Api::V2 => writeln!(f, "2.0, node group {}", manager.node_group)?,
        }
        writeln!(
            f,
            "  https           {}",
            list(&config.listen.https, "none")
        )?;
        writeln!(f, "  http            {}", list(&config.listen.http, "none"))?;
        writeln!(
            f,
            "  admin           {}",
            list(config.listen.admin.as_slice(), "none")
        )?;
        let nodes = list(&config.nodes.allow, "");
        let also = if nodes.is_empty() { "" } else { ", and in " };
        writeln!(
            f,
            "  nodes           port {}, as named by the Stream Manager{also}{nodes}",
            config.nodes.port
        )?;
        match &config.sessions.key_file {
            Some(file) => writeln!(f, "  session key     {}", file.display())?,
            None => writeln!(
                f,
                "  session key     made at start: for one replica, until it stops"
            )?,
        }
        if !config.proxy.enabled {
            writeln!(
                f,
                "  proxy           off: only the Stream Manager's own pages and API are served"
            )?;
        }
        Ok(())
    }
}

fn list<T: Display>(items: &[T], nothing: &str) -> String {
    let mut text = String::new();
    for item in items {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}{item}");
    }
    if text.is_empty() {
        nothing.to_owned()
    } else {
        text
    }
}
