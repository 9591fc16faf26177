//! Runs the command of a command line.

use crate::{
    command_line::{Cli, Command},
    commands::{Surroundings, ask, config, doctor, import},
    exit::Exit,
    flags::without_settings,
};

/// Runs the command; nothing for `run`, which the binary does itself.
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
        Command::Completions(options) => {
            without_settings(front, || options.perform(Cli::with_variables()))
        }
        Command::Man(options) => without_settings(front, || options.perform(Cli::with_variables())),
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
