//! The command line: `whipstitch [command] [flags]`; without a command it runs the proxy.
//!
//! Settings in flags are read as text and checked together with the file and the environment, so
//! that one run names every mistake.

use std::{ffi::OsString, sync::LazyLock};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, builder::StyledStr};

use whipstitch_config::keys::{CONFIG_VARIABLE, keys};

use crate::{
    build::BUILD,
    commands::{self, ask},
    exit::{EX_USAGE, Exit},
    flags::Settings,
};

/// The text of `--version`.
static FACTS: LazyLock<String> = LazyLock::new(|| BUILD.text());

/// Reverse proxy in front of a Red5 Pro Stream Manager: TLS, WHIP, WHEP and WebSocket signalling to
/// the right node.
///
/// Settings come from flags, then from the environment, then from the file; a flag wins.
#[derive(Clone, Parser)]
#[command(name = "whipstitch", version, max_term_width = 100)]
pub struct Cli {
    /// What to do; to run the proxy by default.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings from flags in front of the command.
    #[command(flatten)]
    pub settings: Settings,
}

/// What to do.
#[derive(Clone, Subcommand)]
pub enum Command {
    /// Run the proxy (default)
    Run(Settings),
    /// Check the configuration and list every mistake
    ///
    /// With --online, also test the connection to the Stream Manager and its nodes, step by step.
    ///
    /// Exits with 78 if there is a mistake, or if a step failed.
    Check(Box<commands::config::Check>),
    /// Show the schema of the configuration, or its active values
    #[command(subcommand)]
    Config(commands::config::What),
    /// Test a server the way OBS, FFmpeg, browsers and Red5's SDK use it
    ///
    /// Works with any WHIP or WHEP server, and with a Stream Manager 1.x or 2.0, with or without
    /// Whipstitch in front. Each client checks the answers by its own rules. No media flows, and
    /// every created session is deleted.
    ///
    /// Exits with 0 if no rule failed, with 1 if one did, with 2 if the server does not answer.
    Doctor(Box<whipstitch_doctor::Options>),
    /// Convert the configuration of a Stream Manager into one of Whipstitch
    ///
    /// Reads webapps/streammanager/WEB-INF/red5-web.properties of Stream Manager 1.x, and
    /// conf/red5.properties if it is given, too. Properties without a counterpart are listed with
    /// the reason. No password or token is printed.
    Import(commands::import::Options),
    /// Show the status of the running whipstitch
    ///
    /// Exits with 1 unless it is ready, the Stream Manager answers and every certificate is valid.
    Status(commands::status::Options),
    /// List the active sessions, or end one
    Sessions(commands::sessions::Options),
    /// List the nodes
    Nodes(commands::nodes::Options),
    /// List the cached lookups, or drop them
    Lookups(commands::lookups::Options),
    /// End all sessions and accept no new ones
    ///
    /// The readiness probe fails at once. After shutdown.delay, the time for load balancers to
    /// notice, no new connections are accepted and every WebSocket gets a Close; the remaining
    /// requests have until shutdown.deadline. A drain cannot be undone, and the process stays until
    /// it is stopped.
    ///
    /// With --wait, exits with 0 when everything has ended or whipstitch has stopped, and with 1
    /// after a timeout.
    Drain(commands::drain::Options),
    /// Reload settings, certificates, keys and the list of nodes
    ///
    /// Lists the changed settings that are applied and those that require a restart. Exits with 1
    /// if something cannot be used; its former content stays in use.
    Reload(commands::reload::Options),
    /// Show the log level, or change it temporarily
    ///
    /// The configured level is restored automatically.
    LogLevel(commands::log_level::Options),
    /// Print a completion script for a shell
    Completions(commands::shell::Completions),
    /// Print the manual page
    Man(commands::shell::Man),
    /// Print the version and the facts of the build
    Version(commands::version::Options),
}

impl Cli {
    /// Reads the arguments; the first one is the program's name.
    ///
    /// # Errors
    /// How to exit instead: after `--help` and `--version`, with [`EX_USAGE`], or with
    /// [`ask::USAGE`] for a command of the running whipstitch.
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
    pub fn with_variables() -> clap::Command {
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

    /// The settings to run the proxy with; `None` for other commands.
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

/// The exit code of a malformed command line, by its command where that is known.
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
