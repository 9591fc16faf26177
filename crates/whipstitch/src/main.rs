//! `whipstitch`: reads the command line and the configuration, and starts.

use std::process::ExitCode;

use whipstitch::cli::{self, Cli, Command};

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(exit) => return exit.print(),
    };
    let loaded = match cli.load(std::env::vars_os()) {
        Ok(loaded) => loaded,
        Err(exit) => return exit.print(),
    };
    match cli.task() {
        Command::Check => cli::checked(&loaded).print(),
        Command::Run => {
            eprintln!("this build cannot serve yet");
            ExitCode::FAILURE
        }
    }
}
