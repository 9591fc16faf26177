//! `whipstitch completions` and `whipstitch man`: the command line for shells and for `man`.

use std::{fs, path::PathBuf};

use clap::{Args, ValueEnum};
use clap_mangen::Man as Page;

use crate::exit::Exit;

/// A shell with completion.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    /// `source <(whipstitch completions bash)`
    Bash,
    /// `whipstitch completions zsh > "${fpath[1]}/_whipstitch"`
    Zsh,
    /// `whipstitch completions fish > ~/.config/fish/completions/whipstitch.fish`
    Fish,
}

/// Print a script that completes commands and flags in a shell.
#[derive(Clone, Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints it.
    pub fn perform(&self, mut command: clap::Command) -> Exit {
        let shell = match self.shell {
            Shell::Bash => clap_complete::Shell::Bash,
            Shell::Zsh => clap_complete::Shell::Zsh,
            Shell::Fish => clap_complete::Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, "whipstitch", &mut script);
        Exit::ok(String::from_utf8_lossy(&script))
    }
}

/// Print the manual page.
#[derive(Clone, Debug, Args)]
pub struct Man {
    /// Folder for the pages of all commands (whipstitch.1, whipstitch-run.1, …), instead of
    /// printing the first
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

impl Man {
    /// Prints it, or writes them all.
    pub fn perform(&self, command: clap::Command) -> Exit {
        let Some(folder) = &self.output else {
            let mut page = Vec::new();
            // Writing to memory does not fail.
            let _ = Page::new(command).render(&mut page);
            return Exit::ok(String::from_utf8_lossy(&page));
        };
        let written = fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(command.disable_help_subcommand(true), folder));
        match written {
            Ok(()) => Exit::ok(""),
            Err(error) => Exit::failed(1, format_args!("{}: {error}", folder.display())),
        }
    }
}
