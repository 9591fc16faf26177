//! The command line of Whipstitch: flags, commands, and what they print.
//!
//! | file | one idea |
//! |---|---|
//! | `command_line.rs` | the commands with their help |
//! | `flags.rs` | the flags of settings, and the configuration from all sources |
//! | `exit.rs` | the output of a command, and its exit code |
//! | `dispatch.rs` | runs the command |
//! | [`commands`] | one file a command |
//! | [`build`] | the facts of the build |

pub mod build;
mod command_line;
pub mod commands;
mod dispatch;
mod exit;
mod flags;

pub use self::{
    command_line::{Cli, Command},
    dispatch::perform,
    exit::{EX_CONFIG, EX_USAGE, Exit},
    flags::{Settings, load},
};
