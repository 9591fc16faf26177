//! The flags of settings.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;

use whipstitch_config::{self as config, Loaded, Sources};

use crate::exit::{EX_CONFIG, EX_USAGE, Exit};

/// The settings that have a flag; every other one has its key in the file and its environment
/// variable.
// No Debug: a URL given by mistake with a password must not reach a log.
#[derive(Clone, Default, Args)]
pub struct Settings {
    /// Configuration file in TOML
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Base URL of the Stream Manager: http or https, without a path
    #[arg(long, value_name = "URL")]
    pub stream_manager: Option<String>,
    /// Address to serve TLS on; more of them after commas or in further flags
    #[arg(long, value_name = "ADDR:PORT")]
    pub https: Vec<String>,
    /// PEM file with the certificate chain
    #[arg(long, value_name = "FILE")]
    pub cert: Option<String>,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "FILE")]
    pub key: Option<String>,
    /// Address to serve plain HTTP on; more as for --https
    #[arg(long, value_name = "ADDR:PORT")]
    pub http: Vec<String>,
    /// Address of /metrics, /livez and /readyz
    #[arg(long, value_name = "ADDR:PORT")]
    pub admin: Option<String>,
    /// Port of every node's HTTP and WebSocket server, 5080 by default
    #[arg(long, value_name = "PORT")]
    pub node_port: Option<String>,
    /// Networks that hold nodes besides those that the Stream Manager names
    #[arg(long, value_name = "CIDR,...")]
    pub allow_nodes: Vec<String>,
    /// File with the keys that seal session URLs, the same for all replicas
    #[arg(long, value_name = "FILE")]
    pub session_key: Option<String>,
}

impl Settings {
    /// The flags that were given, each with its text.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        let list = |items: &[String]| (!items.is_empty()).then(|| items.join(","));
        [
            ("--stream-manager", self.stream_manager.clone()),
            ("--https", list(&self.https)),
            ("--cert", self.cert.clone()),
            ("--key", self.key.clone()),
            ("--http", list(&self.http)),
            ("--admin", self.admin.clone()),
            ("--node-port", self.node_port.clone()),
            ("--allow-nodes", list(&self.allow_nodes)),
            ("--session-key", self.session_key.clone()),
        ]
        .into_iter()
        .filter_map(|(flag, text)| text.map(|text| (flag, text)))
        .collect()
    }

    /// These flags, merged with those before the command: of a flag in both places this one wins;
    /// lists are joined.
    #[must_use]
    pub fn behind(&self, front: &Self) -> Self {
        let join = |front: &[String], own: &[String]| [front, own].concat();
        let pick = |own: &Option<String>, front: &Option<String>| own.clone().or(front.clone());
        Self {
            config: self.config.clone().or_else(|| front.config.clone()),
            stream_manager: pick(&self.stream_manager, &front.stream_manager),
            https: join(&front.https, &self.https),
            cert: pick(&self.cert, &front.cert),
            key: pick(&self.key, &front.key),
            http: join(&front.http, &self.http),
            admin: pick(&self.admin, &front.admin),
            node_port: pick(&self.node_port, &front.node_port),
            allow_nodes: join(&front.allow_nodes, &self.allow_nodes),
            session_key: pick(&self.session_key, &front.session_key),
        }
    }

    /// The sources of the configuration: these flags, the file, and `environment`
    /// (`std::env::vars_os()`).
    pub fn sources(&self, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Sources {
        Sources {
            file: self.config.clone(),
            environment: environment.into_iter().collect(),
            flags: self.flags(),
            open_files: None,
        }
    }

    /// The same, for a process that serves: what clients may take has to fit below its limit of
    /// open files.
    pub fn sources_to_serve(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Sources {
        let limit = rlimit::Resource::NOFILE.get();
        Sources {
            open_files: limit.ok().map(|(_, hard)| hard),
            ..self.sources(environment)
        }
    }

    /// The checked configuration from these flags, the file and `environment`
    /// (`std::env::vars_os()`).
    ///
    /// # Errors
    /// How to exit: with [`EX_CONFIG`] and every mistake.
    pub fn load(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Loaded, Exit> {
        load(&self.sources(environment))
    }
}

/// The checked configuration from these sources.
///
/// # Errors
/// How to exit: with [`EX_CONFIG`] and every mistake.
pub fn load(sources: &Sources) -> Result<Loaded, Exit> {
    config::load(sources).map_err(|mistakes| Exit {
        code: EX_CONFIG,
        out: String::new(),
        err: format!("{mistakes}\n"),
    })
}

/// Runs a command that reads no settings: a flag without an effect is a mistake.
pub(crate) fn without_settings(front: &Settings, then: impl FnOnce() -> Exit) -> Exit {
    let config = front.config.as_ref().map(|_| "--config");
    let flag = front.flags().first().map(|(flag, _)| *flag).or(config);
    match flag {
        Some(flag) => Exit::failed(EX_USAGE, format_args!("{flag} has no meaning here")),
        None => then(),
    }
}
