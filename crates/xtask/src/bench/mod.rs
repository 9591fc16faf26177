//! `cargo xtask bench`: the whole stack, TLS in, plain node out, beside `HAProxy`, nginx, Envoy,
//! Caddy, Traefik and Pingora in the same run.
//!
//! Each round visits every work and in it every target in turn, so that what shakes the machine
//! shakes all of them. The figure to trust is CPU time an operation: it barely moves when the
//! machine is busy.

mod child;
mod frame;
mod http1;
mod http2;
mod node;
mod page;
mod peers;
mod proc;
mod settings;
mod sizing;
mod table;
mod target;
mod tls;
mod visit;
mod wire;
mod work;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::ValueEnum as _;

use self::child::Child;
use self::peers::Peers;
use self::proc::Tree;
use self::table::{Book, Figure};
use self::target::{Builds, Kind, Target, World};
use self::visit::{check, footprint, measure};
use self::work::Work;
use crate::Result;
use crate::debian::{self, Need};

pub(crate) use self::node::serve as serve_node;

/// The core of the generator and of the node.
const CORE: u8 = 1;

/// What to measure, and for how long.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    other: Option<Other>,
    /// Rounds; the figures are medians over them
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Seconds that each target does each work in a round
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Only these works, after commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<Work>,
    /// The proxies to compare, after commas; ratios are to haproxy
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "haproxy,nginx,envoy,caddy,traefik,pingora,whipstitch"
    )]
    targets: Vec<Kind>,
    /// Idle sockets over which the memory of one is measured; 0 leaves the footprint out
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u16).range(0..=4500))]
    sessions: u16,
    /// The Whipstitch to measure instead of the one just built
    #[arg(long, global = true, value_name = "FILE")]
    whipstitch: Option<PathBuf>,
    /// Another build of Whipstitch, the target `baseline`: what a change is compared with
    #[arg(long, global = true, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write the tables to deploy/reference/BENCHMARK.md too
    #[arg(long)]
    write: bool,
}

/// What else there is to measure.
#[derive(Debug, clap::Subcommand)]
enum Other {
    /// What a session costs: memory, CPU time and descriptors, for the operator's guide
    Sizing(sizing::Options),
}

impl Options {
    fn works(&self) -> Vec<Work> {
        if self.only.is_empty() {
            return Work::value_variants().to_vec();
        }
        self.only.clone()
    }
}

/// Runs the bench and prints its tables.
///
/// # Errors
/// When a program is missing, or a target did something wrongly; the tables of what was measured
/// are printed all the same.
pub(crate) fn run(options: &Options) -> Result {
    if let Some(Other::Sizing(sizing)) = &options.other {
        return sizing::run(sizing, options);
    }
    debian::ensure(&needs(&options.targets))?;
    let began = Instant::now();
    let (book, complaints, versions) = stage(options, settings::WHIPSTITCH, async |world| {
        let (book, complaints) = rounds(options, world).await;
        let versions = options.targets.iter();
        let versions = versions.map(|kind| version(*kind, &world.builds));
        Ok((book, complaints, versions.collect::<Result<Vec<_>>>()?))
    })?;
    let tables = book.tables(&options.targets, &options.works());
    let closing = closing(options, &versions, began.elapsed());
    println!("\n{tables}\n{closing}");
    if options.write {
        page::write(&tables, &closing)?;
    }
    if complaints.is_empty() {
        return Ok(());
    }
    Err(format!("not all was measured\n  {}", complaints.join("\n  ")).into())
}

/// Starts manager and node, and does `work` in front of them; Whipstitch gets these `settings`.
fn stage<T>(
    options: &Options,
    settings: &'static str,
    work: impl AsyncFnOnce(&World) -> Result<T>,
) -> Result<T> {
    debian::ensure(&needs(&[]))?;
    if !Path::new("/sys/devices/system/cpu/cpu1").exists() {
        return Err(
            "needs two cores: one for the target, one for the generator and the node".into(),
        );
    }
    rlimit::increase_nofile_limit(u64::MAX)?;
    runtime()?.block_on(async {
        let folder = tempfile::Builder::new()
            .prefix("whipstitch-bench-")
            .tempdir()?;
        let (certificate, dialer) = tls::prepare(folder.path())?;
        let mut program = Command::new(std::env::current_exe()?);
        let ports = folder.path().join("node.log");
        let mut backend = Child::start(CORE, program.arg("bench-node"), ports)?;
        let (manager, node) = ports_of(&mut backend).await?;
        let world = World {
            folder: folder.path().to_owned(),
            certificate,
            dialer,
            manager,
            node,
            generator: Tree::only(std::process::id()),
            backend: Tree::only(backend.id()),
            builds: builds(options)?,
            settings,
        };
        work(&world).await
    })
}

/// One thread: the generator and the node share one core.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

fn needs(kinds: &[Kind]) -> Vec<Need> {
    let need = |program, package| Need { program, package };
    let mut needs = vec![need("taskset", "util-linux"), need("setpriv", "util-linux")];
    needs.extend(kinds.iter().filter_map(|kind| match kind {
        Kind::Haproxy => Some(need("haproxy", "haproxy")),
        Kind::Nginx | Kind::NginxWide => Some(need("nginx", "nginx")),
        Kind::Envoy
        | Kind::Caddy
        | Kind::Traefik
        | Kind::Pingora
        | Kind::Whipstitch
        | Kind::Baseline => None,
    }));
    needs
}

/// All rounds: the figures, and what went wrong.
async fn rounds(options: &Options, world: &World) -> (Book, Vec<String>) {
    let (mut book, mut complaints) = (Book::default(), Vec::new());
    for round in 0..options.rounds {
        let visits = Round {
            options,
            world,
            index: round,
        };
        visits.footprints(&mut book, &mut complaints).await;
        visits.works(&mut book, &mut complaints).await;
    }
    (book, complaints)
}

/// The ports that the backend prints when it listens.
async fn ports_of(backend: &mut Child) -> Result<(u16, u16)> {
    for _ in 0..500 {
        backend.alive()?;
        let said = backend.said();
        if let Some((manager, node)) = said
            .strip_suffix('\n')
            .and_then(|line| line.split_once(' '))
        {
            return Ok((manager.parse()?, node.parse()?));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err("the node did not start".into())
}

/// The binaries to measure: as told, or the one that lies beside us.
fn builds(options: &Options) -> Result<Builds> {
    Ok(Builds {
        whipstitch: match &options.whipstitch {
            Some(binary) => binary.clone(),
            None => std::env::current_exe()?.with_file_name("whipstitch"),
        },
        baseline: options.baseline.clone(),
        peers: Peers::ensure(&options.targets)?,
    })
}

/// One round.
struct Round<'a> {
    options: &'a Options,
    world: &'a World,
    index: u32,
}

impl Round<'_> {
    /// Each target alone and fresh: start, idle memory, memory of a socket.
    async fn footprints(&self, book: &mut Book, complaints: &mut Vec<String>) {
        if self.options.sessions == 0 {
            return;
        }
        for kind in &self.options.targets {
            if let Err(error) = self.footprint(*kind, book).await {
                complaints.push(self.complaint(*kind, "footprint", &*error));
            }
        }
    }

    async fn footprint(&self, kind: Kind, book: &mut Book) -> Result {
        self.say(kind, "footprint");
        let target = Target::start(kind, self.world).await?;
        let found = footprint(self.world, &target, self.options.sessions).await?;
        let mut note = |figure, value| book.note(self.index, kind, figure, value);
        note(Figure::Start, target.started.as_secs_f64() * 1e3);
        note(Figure::Idle, found.idle_mb);
        note(Figure::Session, found.session_kib);
        note(
            Figure::Binary,
            target::megabytes(&kind.binary(&self.world.builds)?)?,
        );
        Ok(())
    }

    /// Every work, and in it every target in turn.
    async fn works(&self, book: &mut Book, complaints: &mut Vec<String>) {
        let mut targets = Vec::new();
        for kind in &self.options.targets {
            match self.started(*kind).await {
                Ok(target) => targets.push(target),
                Err(error) => complaints.push(self.complaint(*kind, "start", &*error)),
            }
        }
        let seconds = Duration::from_secs(self.options.seconds);
        for work in self.options.works() {
            for target in &targets {
                match measure(self.world, target, work, seconds).await {
                    Ok(sample) => {
                        self.say(target.kind, &format!("{}: {sample}", work.title()));
                        book.note_visit(self.index, target.kind, work, sample);
                    }
                    Err(error) => {
                        complaints.push(self.complaint(target.kind, work.title(), &*error));
                    }
                }
            }
        }
    }

    /// A target that runs and does everything rightly.
    async fn started(&self, kind: Kind) -> Result<Target> {
        let target = Target::start(kind, self.world).await?;
        match check(self.world, &target).await {
            Ok(()) => Ok(target),
            Err(error) => Err(format!("{error} ({})", target.child.last_words()).into()),
        }
    }

    fn say(&self, kind: Kind, what: &str) {
        let (round, rounds) = (self.index + 1, self.options.rounds);
        eprintln!("round {round}/{rounds}: {}: {what}", kind.name());
    }

    fn complaint(&self, kind: Kind, what: &str, error: &dyn std::fmt::Display) -> String {
        format!("round {}: {}: {what}: {error}", self.index + 1, kind.name())
    }
}

/// How the tables were made, so that another can make them again.
fn closing(options: &Options, versions: &[String], took: Duration) -> String {
    // Of a file its name: its folder on this machine is of no use to a reader.
    let words = std::env::args().skip(1).map(|word| {
        let name = Path::new(&word).file_name();
        name.map_or(word.clone(), |name| name.to_string_lossy().into_owned())
    });
    let words: Vec<String> = words.collect();
    format!(
        "`cargo xtask {}`: medians of {} rounds of {} s each, {} s in all; one worker on core {}, \
         generator and node on core {CORE}; TLS 1.3, AES-128-GCM, X25519, ECDSA P-256, every \
         handshake full. ≥: the target's core was not full, so it could do more.\n\n{}",
        words.join(" "),
        options.rounds,
        options.seconds,
        took.as_secs(),
        target::CORE,
        versions.join("; ")
    )
}

/// What a target says that it is.
fn version(kind: Kind, builds: &Builds) -> Result<String> {
    let binary = kind.binary(builds)?;
    let flag = match kind {
        Kind::Haproxy | Kind::Nginx | Kind::NginxWide => "-v",
        Kind::Caddy | Kind::Traefik => "version",
        // It has no version of its own: the lock file beside it says which Pingora it is.
        Kind::Pingora => return Ok(format!("pingora {}", peers::pingora_version())),
        Kind::Envoy | Kind::Whipstitch | Kind::Baseline => "--version",
    };
    let output = Command::new(binary).arg(flag).output()?;
    // nginx says it on stderr.
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let line = said.lines().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or_default().trim();
    // Some say only a number.
    Ok(match kind {
        Kind::Caddy => format!("caddy {line}"),
        Kind::Traefik => format!("traefik {}", line.trim_start_matches("Version:").trim()),
        Kind::Envoy => {
            let version = line
                .split('/')
                .find(|part| part.contains('.') && !part.contains(' '));
            format!("envoy {}", version.unwrap_or(line))
        }
        Kind::Baseline => format!("baseline: {line}"),
        _ => line.to_owned(),
    })
}
