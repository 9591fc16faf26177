//! `whipstitch-demo`: publish and play through Whipstitch with one command.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Parser;
use tracing_subscriber::EnvFilter;
use whipstitch_demo::{Demo, Options, greeting, keys};

/// A Stream Manager, media nodes, Whipstitch in front of them, and a page to publish and play.
#[derive(Parser)]
#[command(version, after_help = greeting::MORE_HELP)]
struct Command {
    #[command(flatten)]
    options: Options,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command { options } = Command::parse();
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("error,whipstitch_demo=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("whipstitch-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    // Before anything starts: a signal during the start is then obeyed too, rather than leaving
    // files behind.
    let mut stop = Signals::listen()?;
    let demo = tokio::select! {
        demo = Demo::start(options) => demo?,
        () = stop.next() => return Ok(()),
    };
    println!("{}", greeting::greeting(&demo));
    let mut typed = keys::numbers();
    loop {
        tokio::select! {
            () = stop.next() => break,
            // At the end of the input there is nothing more to wait for there.
            Some(number) = typed.recv() => println!("{}", demo.toggle(number).await),
        }
    }
    println!("Stopping.");
    tokio::select! {
        () = demo.stop() => {}
        () = stop.next() => {}
    }
    Ok(())
}

/// Ctrl-C, and SIGTERM where there is such a thing.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) {
        // Without a handler there is nothing better than to stop.
        let _ = tokio::signal::ctrl_c().await;
    }
}
