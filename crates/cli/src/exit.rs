//! The output of a command, and its exit code.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

/// `EX_USAGE`: the command line is malformed.
pub const EX_USAGE: u8 = 64;
/// `EX_CONFIG`: the configuration has mistakes.
pub const EX_CONFIG: u8 = 78;

/// The output of a command, and its exit code.
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

    /// Prints both; a closed pipe does not change the exit code.
    pub fn print(&self) -> ExitCode {
        let _ = io::stdout().write_all(self.out.as_bytes());
        let _ = io::stderr().write_all(self.err.as_bytes());
        ExitCode::from(self.code)
    }
}
