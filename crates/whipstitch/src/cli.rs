//! The command line: `whipstitch [command] [flags]`; without a command it serves.
//!
//! Settings in flags are read as text and judged together with the file and the environment, so
//! that one run names every mistake.

mod settings;

use std::{
    ffi::OsString,
    io::{self, Write as _},
    process::ExitCode,
    sync::LazyLock,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, builder::StyledStr};

pub use self::settings::{Settings, load};
use crate::{
    build::BUILD,
    commands::{self, ask},
    config::keys::{CONFIG_VARIABLE, keys},
};

/// `EX_USAGE`: the command line cannot be understood.
pub const EX_USAGE: u8 = 64;
/// `EX_CONFIG`: the configuration has mistakes.
pub const EX_CONFIG: u8 = 78;

/// What `--version` tells.
static FACTS: LazyLock<String> = LazyLock::new(|| BUILD.text());

/// Reverse proxy in front of a Red5 Pro Stream Manager: TLS, WHIP, WHEP and WebSocket signalling to
/// the right node.
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
    ///
    /// With --online it also goes the way to the Stream Manager and its nodes, step by step.
    ///
    /// Ends with 78 if there is a mistake, or if a step failed.
    Check(Box<commands::config::Check>),
    /// Show what can be set, and what is
    #[command(subcommand)]
    Config(commands::config::What),
    /// Play the clients of the field against a server, and say what they would stumble over
    ///
    /// Any WHIP or WHEP server will do, a Stream Manager of 1.x or 2.0 with or without Whipstitch
    /// in front too. Each client judges the answers by its own rules. No media flows, and every
    /// session that is made is ended.
    ///
    /// Ends with 0 if no rule failed, with 1 if one did, with 2 if nobody answers.
    Doctor(Box<whipstitch_doctor::Options>),
    /// Write a configuration file from that of a Stream Manager
    ///
    /// Reads webapps/streammanager/WEB-INF/red5-web.properties of Stream Manager 1.x, and
    /// conf/red5.properties if it is named too. What has no counterpart is listed with the reason.
    /// No password or token is printed.
    Import(commands::import::Options),
    /// Say how the running whipstitch is
    ///
    /// Ends with 1 unless it is ready, the Stream Manager answers and every certificate is valid.
    Status(commands::status::Options),
    /// List the sessions that are under way, or end one
    Sessions(commands::sessions::Options),
    /// List the nodes
    Nodes(commands::nodes::Options),
    /// List the remembered answers of the Stream Manager, or forget them
    Lookups(commands::lookups::Options),
    /// Let sessions end and take no new ones
    ///
    /// Not ready at once, but still serving for shutdown.delay, until load balancers have heard of
    /// it; then no new connections, a Close on every WebSocket, and shutdown.deadline for what is
    /// under way. There is no way back, and the process stays until it is stopped.
    ///
    /// With --wait it ends with 0 when nothing is left or whipstitch has ended, and with 1 when
    /// time was too short.
    Drain(commands::drain::Options),
    /// Read settings, certificates, keys and lists again
    ///
    /// Says which changed settings count now and which wait for a restart. Ends with 1 if something
    /// cannot be used; what was read before goes on then.
    Reload(commands::reload::Options),
    /// Show which events are logged, or change it for a while
    ///
    /// The level goes back to that of the configuration by itself.
    LogLevel(commands::log_level::Options),
    /// Print a script that completes commands and flags in a shell
    Completions(commands::shell::Completions),
    /// Print the manual page
    Man(commands::shell::Man),
    /// Print the version and what this binary was built from
    Version(commands::version::Options),
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
    /// How to end instead of going on: after `--help` and `--version`, or with [`EX_USAGE`], or
    /// [`ask::USAGE`] behind a command that asks the running whipstitch.
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

    /// The command line as clap sees it, with the environment variable of each setting in its help.
    /// clap does not read them itself: it would stop at the first wrong one.
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
        let Some(variable) = variable else {
            return arg;
        };
        let named = |help: &StyledStr| format!("{help} [env: {variable}]");
        let (help, long) = (arg.get_help().map(named), arg.get_long_help().map(named));
        let arg = help.into_iter().fold(arg, clap::Arg::help);
        long.into_iter().fold(arg, clap::Arg::long_help)
    })
}

/// How a command line ends that cannot be understood, which its command decides as far as it can be
/// told.
fn usage_code(args: &[OsString]) -> u8 {
    let command = Cli::command().ignore_errors(true);
    let matches = command.try_get_matches_from(args).ok();
    match matches.as_ref().and_then(clap::ArgMatches::subcommand_name) {
        Some(name) if ask::COMMANDS.contains(&name) => ask::USAGE,
        Some("doctor") => commands::doctor::NOT_EXAMINED,
        _ => EX_USAGE,
    }
}

#[cfg(test)]
mod tests;
