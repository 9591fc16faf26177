//! `whipstitch`: reads the command line and the configuration, serves until a signal, and drains.

use std::{io::IsTerminal as _, process::ExitCode};

use tracing::{error, info, warn};
use whipstitch::{
    app::{self, Context, Running, StartError},
    cli::{self, Cli},
    commands::{Style, Surroundings},
    config::{Config, Loaded, Sources},
    open_files, service_manager,
    signals::{Command, Signals},
    telemetry::{self, LogError},
};
use whipstitch_ingress::inherited::Inherited;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(exit) => return exit.print(),
    };
    let environment: Vec<_> = std::env::vars_os().collect();
    let Some(settings) = cli.to_serve() else {
        let style = Style::of(std::io::stdout().is_terminal(), &environment);
        let around = Surroundings { environment, style };
        return cli::perform(&cli, &around).print();
    };
    // Before there is a second thread.
    let inherited = match Inherited::take() {
        Ok(inherited) => inherited,
        Err(error) => {
            eprintln!(
                "the service manager hands over what is no TCP socket: {error}; a socket unit for whipstitch has \
                 ListenStream=ADDRESS:PORT lines and no others"
            );
            return ExitCode::from(cli::EX_CONFIG);
        }
    };
    let sources = settings.sources_to_serve(environment);
    match cli::load(&sources) {
        Ok(loaded) => run(loaded, sources, inherited),
        Err(exit) => exit.print(),
    }
}

fn run(loaded: Loaded, sources: Sources, inherited: Inherited) -> ExitCode {
    let Loaded {
        config,
        warnings,
        unfit,
        file,
        origins,
    } = loaded;
    // Kept to the end, which waits for the last lines.
    let (_log, level) = match telemetry::init(&config.log) {
        Ok(log) => log,
        Err(LogError::Filter(error)) => {
            eprintln!("log.filter: {error}");
            return ExitCode::from(cli::EX_CONFIG);
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    whipstitch_proxy::panics::watch();
    for warning in warnings {
        warn!("{warning}");
    }
    for unfit in unfit {
        error!("{unfit}");
    }
    open_files::raise();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "the runtime cannot start");
            return ExitCode::FAILURE;
        }
    };
    let context = Context {
        config_file: file,
        origins,
        sources: Some(sources),
        log: Some(level),
        inherited,
        ..Context::default()
    };
    let code = runtime.block_on(serve(config, context));
    // The drain has given every task its time.
    runtime.shutdown_background();
    code
}

async fn serve(config: Config, context: Context) -> ExitCode {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            error!(%error, "signals cannot be received");
            return ExitCode::FAILURE;
        }
    };
    let running = match app::start_with(config, context) {
        Ok(running) => running,
        Err(error) => {
            error!("{error}");
            return match error {
                // A restart would fail in the same way.
                StartError::Inherited(_) => ExitCode::from(cli::EX_CONFIG),
                _ => ExitCode::FAILURE,
            };
        }
    };
    service_manager::ready();
    let signal = tokio::select! {
        signal = until_stopped(&mut signals, &running) => signal,
        never = service_manager::keep_telling(running.summary()) => match never {},
    };
    info!(signal, "stopping; a second signal ends at once");
    service_manager::stopping();
    let summary = running.summary();
    tokio::select! {
        _ = running.drain() => ExitCode::SUCCESS,
        never = service_manager::keep_telling(summary) => match never {},
        signal = signals.stop() => {
            warn!(signal, "ending at once");
            ExitCode::FAILURE
        }
    }
}

/// Reloads on SIGHUP until a signal stops the process; the name of that signal.
async fn until_stopped(signals: &mut Signals, running: &Running) -> &'static str {
    loop {
        match signals.next().await {
            Command::Stop(name) => return name,
            Command::Reload => {
                service_manager::reloading();
                // A file that hangs must not delay a stop.
                tokio::select! {
                    _ = running.reload() => service_manager::ready(),
                    name = signals.stop() => return name,
                }
            }
        }
    }
}
