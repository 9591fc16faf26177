//! What the binary does besides serving: one file a command.
//!
//! | file | one idea |
//! |---|---|
//! | [`doctor`] | what other clients would stumble over |
//! | [`config`], [`import`], [`version`], [`shell`] | what needs no running whipstitch |
//! | `online` | the steps to the Stream Manager and its nodes, for `check --online` |
//! | [`ask`] | where a running one is, one exchange with it, and what to say when that fails |
//! | [`status`], [`sessions`], [`nodes`], [`lookups`], [`drain`], [`reload`], [`log_level`] | a question or an order each |
//! | `show` | tables, ages and sizes for eyes |

pub mod ask;
pub mod config;
pub mod doctor;
pub mod drain;
pub mod import;
pub mod log_level;
pub mod lookups;
pub mod nodes;
mod online;
pub mod reload;
pub mod sessions;
pub mod shell;
mod show;
pub mod status;
pub mod version;

use std::ffi::OsString;

pub use self::show::Style;
use crate::cli::{Cli, Command, EX_USAGE, Exit, Settings};

/// What surrounds a command.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The environment, e.g. `std::env::vars_os()`.
    pub environment: Vec<(OsString, OsString)>,
    /// How text for eyes looks.
    pub style: Style,
}

/// Does what the command line says, unless it is to serve: then there is nothing to be done here.
pub fn perform(cli: &Cli, around: &Surroundings) -> Exit {
    let front = &cli.settings;
    let Some(command) = &cli.command else {
        return Exit::ok("");
    };
    match command {
        Command::Run(_) => Exit::ok(""),
        Command::Check(check) => config::check(check, front, around),
        Command::Config(what) => config::perform(what, front, around),
        Command::Doctor(options) => without_settings(front, || doctor::perform(options)),
        Command::Import(options) => without_settings(front, || import::perform(options)),
        Command::Completions(options) => without_settings(front, || options.perform()),
        Command::Man(options) => without_settings(front, || options.perform()),
        Command::Version(options) => without_settings(front, || options.perform()),
        Command::Status(options) => ask::perform(options, front, around),
        Command::Sessions(options) => ask::perform(options, front, around),
        Command::Nodes(options) => ask::perform(options, front, around),
        Command::Lookups(options) => ask::perform(options, front, around),
        Command::Drain(options) => ask::perform(options, front, around),
        Command::Reload(options) => ask::perform(options, front, around),
        Command::LogLevel(options) => ask::perform(options, front, around),
    }
}

/// A setting that has no effect is a mistake, not a wish.
fn without_settings(front: &Settings, then: impl FnOnce() -> Exit) -> Exit {
    let config = front.config.as_ref().map(|_| "--config");
    let flag = front.flags().first().map(|(flag, _)| *flag).or(config);
    match flag {
        Some(flag) => Exit::failed(EX_USAGE, format_args!("{flag} has no meaning here")),
        None => then(),
    }
}
