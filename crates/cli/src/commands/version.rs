//! `whipstitch version`: what this binary was built from.

use clap::Args;

use crate::{build::BUILD, exit::Exit};

/// Print the version and what this binary was built from.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    /// Prints it.
    pub fn perform(&self) -> Exit {
        if self.json {
            // Text, numbers and nulls: this does not fail.
            let json = serde_json::to_string_pretty(&BUILD).unwrap_or_default();
            return Exit::ok(json + "\n");
        }
        Exit::ok(format!("whipstitch {}\n", BUILD.text()))
    }
}
