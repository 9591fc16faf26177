//! The command line: `whipstitch [command] [flags]`; without a command it serves.
//!
//! Settings in flags are read as text and judged together with the file and the environment, so that one run names
//! every mistake.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::LazyLock,
};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::{
    build::BUILD,
    commands::{self, ask},
    config::{
        self, Loaded, Sources,
        keys::{CONFIG_VARIABLE, keys},
    },
};

/// `EX_USAGE`: the command line cannot be understood.
pub const EX_USAGE: u8 = 64;
/// `EX_CONFIG`: the configuration has mistakes.
pub const EX_CONFIG: u8 = 78;

/// What `--version` tells.
static FACTS: LazyLock<String> = LazyLock::new(|| BUILD.text());

/// Reverse proxy in front of a Red5 Pro Stream Manager: TLS, WHIP, WHEP and WebSocket signalling to the right node.
///
/// Settings come from flags, then from the environment, then from the file; a flag wins.
#[derive(Clone, Parser)]
#[command(name = "whipstitch", version, max_term_width = 100)]
pub struct Cli {
    /// What to do; to serve if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings from flags in front of the command.
    #[command(flatten)]
    pub settings: Settings,
}

/// What to do.
#[derive(Clone, Subcommand)]
pub enum Command {
    /// Serve; this is what happens without a command too
    Run(Settings),
    /// Say whether the configuration is right, with every mistake in it, and serve nothing
    Check(Settings),
    /// Show what can be set, and what is
    #[command(subcommand)]
    Config(commands::config::What),
    /// Write a configuration file from that of a Stream Manager
    Import(commands::import::Options),
    /// Say how the running whipstitch is
    Status(commands::status::Options),
    /// List the sessions that are under way, or end one
    Sessions(commands::sessions::Options),
    /// List the nodes
    Nodes(commands::nodes::Options),
    /// List the remembered answers of the Stream Manager, or forget them
    Lookups(commands::lookups::Options),
    /// Let sessions end and take no new ones
    Drain(commands::drain::Options),
    /// Read certificates, keys and lists again
    Reload(commands::reload::Options),
    /// Show which events are logged, or change it for a while
    LogLevel(commands::log_level::Options),
    /// Print a script that completes commands and flags in a shell
    Completions(commands::shell::Completions),
    /// Print the manual page
    Man(commands::shell::Man),
    /// Print the version and what this binary was built from
    Version(commands::version::Options),
}

/// The settings that have a flag; every other one has its key in the file and its environment variable.
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

    /// These, behind those that stand in front of the command: a flag that is given in both places counts here, lists
    /// are joined.
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

    /// The checked configuration from these flags, the file and `environment` (`std::env::vars_os()`).
    ///
    /// # Errors
    /// How to end instead of going on: with [`EX_CONFIG`] and every mistake.
    pub fn load(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Loaded, Exit> {
        let sources = Sources {
            file: self.config.clone(),
            environment: environment.into_iter().collect(),
            flags: self.flags(),
        };
        config::load(&sources).map_err(|mistakes| Exit {
            code: EX_CONFIG,
            out: String::new(),
            err: format!("{mistakes}\n"),
        })
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
    /// Success, with this text on standard output.
    pub fn ok(out: impl Into<String>) -> Self {
        Self {
            code: 0,
            out: out.into(),
            err: String::new(),
        }
    }

    /// Failure, with this text on standard error.
    pub fn failed(code: u8, what: impl std::fmt::Display) -> Self {
        Self {
            code,
            out: String::new(),
            err: format!("error: {what}\n"),
        }
    }

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
    /// How to end instead of going on: after `--help` and `--version`, or with [`EX_USAGE`], or [`ask::USAGE`] behind
    /// a command that asks the running whipstitch.
    pub fn read<T: Into<OsString> + Clone>(
        args: impl IntoIterator<Item = T>,
    ) -> Result<Self, Exit> {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        let matches = Self::with_variables().try_get_matches_from(&args);
        matches
            .and_then(|matches| Self::from_arg_matches(&matches))
            .map_err(|error| {
                let text = error.render().to_string();
                if error.use_stderr() {
                    Exit {
                        code: usage_code(&args),
                        out: String::new(),
                        err: text,
                    }
                } else {
                    Exit::ok(text)
                }
            })
    }

    /// The command line as clap sees it, with the environment variable of each setting in its help. clap does not read
    /// them itself: it would stop at the first wrong one.
    pub(crate) fn with_variables() -> clap::Command {
        (["run", "check"].iter().chain(ask::COMMANDS))
            .fold(with_variables(Self::command()), |command, name| {
                command.mut_subcommand(name, with_variables)
            })
            .mut_subcommand("sessions", |sessions| {
                sessions.mut_subcommand("end", with_variables)
            })
            .mut_subcommand("lookups", |lookups| {
                lookups.mut_subcommand("forget", with_variables)
            })
            .mut_subcommand("config", |config| {
                config.mut_subcommand("show", with_variables)
            })
            .long_version(FACTS.as_str())
    }

    /// The settings to serve with; none if something else is to be done.
    pub fn to_serve(&self) -> Option<Settings> {
        match &self.command {
            None => Some(self.settings.clone()),
            Some(Command::Run(settings)) => Some(settings.behind(&self.settings)),
            Some(_) => None,
        }
    }
}

fn with_variables(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| {
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

/// How a command line ends that cannot be understood, which its command decides as far as it can be told.
fn usage_code(args: &[OsString]) -> u8 {
    let command = Cli::command().ignore_errors(true);
    let matches = command.try_get_matches_from(args).ok();
    match matches.as_ref().and_then(clap::ArgMatches::subcommand_name) {
        Some(name) if ask::COMMANDS.contains(&name) => ask::USAGE,
        _ => EX_USAGE,
    }
}

#[cfg(test)]
mod tests;
