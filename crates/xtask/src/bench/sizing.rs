//! `cargo xtask bench sizing`: what one session costs, so that an operator can reckon memory, cores
//! and descriptors.
//!
//! The proxy is a process of its own on a core of its own, as it is shipped, its access log
//! included. Memory is a slope between two numbers of sessions, so that what the process has anyway
//! does not count; CPU time is the process's own, user and system, over a number of operations.

mod measure;
mod report;

use std::time::Instant;

use super::target::{Kind, Target};
use super::{settings, stage};
use crate::Result;

use self::measure::Stand;
use self::report::Figures;

/// What to measure, and how much of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rounds, each with a fresh process; the figures are medians over them
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Most idle WebSockets at once; each takes four descriptors of all processes together
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(400..=4500))]
    sockets: u32,
    /// Most WHIP sessions at once
    #[arg(long, default_value_t = 16_000, value_parser = clap::value_parser!(u32).range(400..=19_000))]
    sessions: u32,
    /// How often each operation is done in a round
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    operations: u32,
}

/// Runs it and prints the tables.
///
/// # Errors
/// When something is missing, or an answer was not what it has to be.
pub(super) fn run(options: &Options, shared: &super::Options) -> Result {
    let began = Instant::now();
    let figures = stage(shared, settings::AS_SHIPPED, async |world| {
        let mut figures = Figures::default();
        for round in 0..options.rounds {
            eprintln!("round {}/{}", round + 1, options.rounds);
            // Two processes: what was done before must not count as memory of sessions.
            let target = Target::start(Kind::Whipstitch, world).await?;
            let stand = Stand::new(world, &target)?;
            stand.sockets(options.sockets, &mut figures).await?;
            drop(stand);
            drop(target);

            let target = Target::start(Kind::Whipstitch, world).await?;
            let mut stand = Stand::new(world, &target)?;
            stand.sessions(options.sessions, &mut figures).await?;
            stand.costs(options.operations, &mut figures).await?;
        }
        Ok(figures)
    })?;
    println!("\n{}", figures.tables()?);
    println!(
        "`cargo xtask bench sizing`: medians of {} rounds, {} s in all, on {}; {} and {}; TLS 1.3, X25519MLKEM768, ECDSA P-256",
        options.rounds,
        began.elapsed().as_secs(),
        report::machine(),
        format_args!("{} WebSockets", options.sockets),
        format_args!("{} WHIP sessions", options.sessions),
    );
    Ok(())
}
