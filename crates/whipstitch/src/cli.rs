//! The command line: `whipstitch [run|check] [flags]`.
//!
//! Flags are read as text and judged together with the file and the environment, so that one run names every mistake.
//! Exit codes are those of `sysexits.h`: 64 for a command line that cannot be understood, 78 for a wrong configuration.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{
    self, Loaded, Sources,
    keys::{CONFIG_VARIABLE, keys},
};

/// `EX_USAGE`: the command line cannot be understood.
pub const EX_USAGE: u8 = 64;
/// `EX_CONFIG`: the configuration has mistakes.
pub const EX_CONFIG: u8 = 78;

/// Reverse proxy in front of a Red5 Pro Stream Manager: TLS, WHIP, WHEP and WebSocket signalling to the right node.
///
/// Settings come from flags, then from the environment, then from the file; a flag wins.
#[derive(Clone, Parser)]
#[command(name = "whipstitch", version, max_term_width = 100)]
pub struct Cli {
    /// What to do; `run` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings from flags.
    #[command(flatten)]
    pub settings: Settings,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Serve; this is what happens without a command too
    Run,
    /// Say whether the configuration is right, with every mistake in it, and serve nothing
    Check,
}

/// The settings that have a flag; every other one has its key in the file and its environment variable.
// No Debug: a URL given by mistake with a password must not reach a log.
#[derive(Clone, Default, Args)]
pub struct Settings {
    /// Configuration file in TOML
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Base URL of the Stream Manager: http or https, without a path
    #[arg(long, global = true, value_name = "URL")]
    pub stream_manager: Option<String>,
    /// Address to serve TLS on; more of them after commas or in further flags
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    pub https: Vec<String>,
    /// PEM file with the certificate chain
    #[arg(long, global = true, value_name = "FILE")]
    pub cert: Option<String>,
    /// PEM file with the certificate's private key
    #[arg(long, global = true, value_name = "FILE")]
    pub key: Option<String>,
    /// Address to serve plain HTTP on; more as for --https
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    pub http: Vec<String>,
    /// Address of /metrics, /livez and /readyz
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    pub admin: Option<String>,
    /// Port of every node's HTTP and WebSocket server, 5080 by default
    #[arg(long, global = true, value_name = "PORT")]
    pub node_port: Option<String>,
    /// Networks that hold nodes besides those that the Stream Manager names
    #[arg(long, global = true, value_name = "CIDR,...")]
    pub allow_nodes: Vec<String>,
    /// File with the keys that seal session URLs, the same for all replicas
    #[arg(long, global = true, value_name = "FILE")]
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
}

/// What to print before the process ends, and how it ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit code.
    pub code: u8,
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
}

impl Exit {
    /// Prints; a closed pipe changes nothing about the outcome.
    pub fn print(&self) -> ExitCode {
        let _ = io::stdout().write_all(self.out.as_bytes());
        let _ = io::stderr().write_all(self.err.as_bytes());
        ExitCode::from(self.code)
    }
}

impl Cli {
    /// Reads the arguments, the first of which is the program's name.
    ///
    /// # Errors
    /// How to end instead of going on: after `--help` and `--version`, or with [`EX_USAGE`].
    pub fn read<T: Into<OsString> + Clone>(
        args: impl IntoIterator<Item = T>,
    ) -> Result<Self, Exit> {
        let matches = Self::with_variables().try_get_matches_from(args);
        matches
            .and_then(|matches| Self::from_arg_matches(&matches))
            .map_err(|error| {
                let text = error.render().to_string();
                if error.use_stderr() {
                    Exit {
                        code: EX_USAGE,
                        out: String::new(),
                        err: text,
                    }
                } else {
                    Exit {
                        code: 0,
                        out: text,
                        err: String::new(),
                    }
                }
            })
    }

    /// The command line as clap sees it, with the environment variable of each flag in its help. clap does not read
    /// them itself: it would stop at the first wrong one.
    pub(crate) fn with_variables() -> clap::Command {
        Self::command().mut_args(|arg| {
            let flag = arg.get_long().map(|name| format!("--{name}"));
            let variable = match flag.as_deref() {
                Some("--config") => Some(CONFIG_VARIABLE),
                flag => keys()
                    .find(|key| key.flag.is_some() && key.flag == flag)
                    .map(|key| key.variable),
            };
            match (arg.get_help().cloned(), variable) {
                (Some(help), Some(variable)) => arg.help(format!("{help} [env: {variable}]")),
                _ => arg,
            }
        })
    }

    /// What to do.
    pub fn task(&self) -> Command {
        self.command.unwrap_or(Command::Run)
    }

    /// The checked configuration from these flags, the file and `environment` (`std::env::vars_os()`).
    ///
    /// # Errors
    /// How to end instead of going on: with [`EX_CONFIG`] and every mistake.
    pub fn load(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Loaded, Exit> {
        let sources = Sources {
            file: self.settings.config.clone(),
            environment: environment.into_iter().collect(),
            flags: self.settings.flags(),
        };
        config::load(&sources).map_err(|mistakes| Exit {
            code: EX_CONFIG,
            out: String::new(),
            err: format!("{mistakes}\n"),
        })
    }
}

/// How `whipstitch check` ends when there is no mistake.
pub fn checked(loaded: &Loaded) -> Exit {
    Exit {
        code: 0,
        out: loaded.to_string(),
        err: String::new(),
    }
}

#[cfg(test)]
mod tests;
