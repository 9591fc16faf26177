//! The chores of the workspace: `cargo xtask test | ci | deploy | deb | dist | reference | arrows |
//! words | deny | bench`.

mod arrows;
#[cfg(feature = "bench")]
mod bench;
mod ci;
mod command;
mod debian;
mod deny;
mod deploy;
mod dist;
mod fetch;
mod gstreamer;
mod reference;
mod rerun;
mod tally;
mod test;
mod words;

use std::process::ExitCode;

use clap::Parser;

/// The result of a chore; an error is for a person to read.
pub(crate) type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> =
    std::result::Result<T, E>;

/// The features with which the whole workspace is tested and linted.
///
/// One set for every command: with two, cargo would compile nearly every dependency twice (the
/// browser tests alone change the features of `syn`, and so every derive above it).
pub(crate) const FEATURES: &str = "whipstitch-tests/browser,whipstitch-tests/namespaces,whipstitch-tests/programs,xtask/bench,xtask/reference";

/// The chores of the Whipstitch workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Chore {
    /// Run all tests: unit, property, integration, browser, real programs, doc and deploy
    ///
    /// Installs Debian's chromium, chromium-driver, pip, npm, GStreamer, Prometheus and others
    /// first when they are absent and you are root; otherwise prints what to install. Fetches and
    /// builds the pinned clients of tests/programs, and the tools that check deploy/, in the target
    /// directory. Fails when one cannot be fetched, a test was ignored or a runner ran none.
    Test,
    /// Run the gate: format, arrows, words, dependencies, lints, tests,
    /// docs, reference pages
    Ci,
    /// Check everything in deploy/ with the tools that read it, as `test` does too
    Deploy(deploy::Options),
    /// Make the Debian package of a release build
    Deb,
    /// Make everything that a release consists of: tar, Debian package, image, chart, bill of
    /// materials, checksums
    Dist(dist::Options),
    /// Write the generated pages of deploy/reference
    Reference {
        /// Only compare: fail when a page differs
        #[arg(long)]
        check: bool,
    },
    /// Check which crate depends on which, and that modules import each other without cycles
    Arrows(arrows::Options),
    /// Check licences, sources and duplicate versions of dependencies with cargo-deny
    Deny,
    /// List the words of the old style with what to write instead, and lines that are too wide
    Words,
    /// Measure the whole stack beside nginx and HAProxy: TLS in, plain node out
    #[cfg(feature = "bench")]
    Bench(bench::Options),
    /// Measure the whole stack beside nginx and HAProxy: TLS in, plain node out
    #[cfg(not(feature = "bench"))]
    #[command(disable_help_flag = true)]
    Bench {
        /// See `cargo xtask bench --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The Stream Manager and the node that the targets of the bench talk to
    #[cfg(feature = "bench")]
    #[command(hide = true)]
    BenchNode,
}

fn main() -> ExitCode {
    let outcome = match Chore::parse() {
        Chore::Test => test::run().map(drop),
        Chore::Ci => ci::run(),
        Chore::Deploy(options) => deploy::run(options).map(drop),
        Chore::Deb => deploy::package(),
        Chore::Dist(options) => dist::run(options),
        Chore::Reference { check } => reference::run(check),
        Chore::Arrows(options) => arrows::run(options),
        Chore::Deny => deny::run(),
        Chore::Words => words::run(),
        #[cfg(feature = "bench")]
        Chore::Bench(options) => bench::run(&options),
        #[cfg(not(feature = "bench"))]
        Chore::Bench { arguments } => rerun::bench(&arguments),
        #[cfg(feature = "bench")]
        Chore::BenchNode => bench::serve_node(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
