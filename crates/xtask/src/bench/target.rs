//! The proxies that are compared, each on the first core with one worker and told to do the same.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use super::child::Child;
use super::http1::Connection;
use super::peers::{self, Peers};
use super::proc::Tree;
use super::tls::{Certificate, Dialer};
use super::{settings, wire};
use crate::{Result, command};

/// The core of the target; the generator and the node share the other.
pub(super) const CORE: u8 = 0;
/// How long a target may take to answer for the first time.
const START: Duration = Duration::from_secs(15);

/// Which proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Kind {
    /// Debian's `HAProxy`, what the others are compared with
    Haproxy,
    /// Debian's nginx with its own buffer sizes
    Nginx,
    /// Debian's nginx with buffers that hold a large WebSocket message, at the price of memory
    NginxWide,
    /// Envoy, as Python's registry has it
    Envoy,
    /// Caddy, as Python's registry has it
    Caddy,
    /// Traefik, as Python's registry has it
    Traefik,
    /// Pingora, in a program of a few lines
    Pingora,
    /// The proxy of this workspace, release profile
    Whipstitch,
    /// Another build of it, named by --baseline: what a change is compared with
    Baseline,
}

/// The programs that are measured, but for those of Debian.
#[derive(Debug, Clone)]
pub(super) struct Builds {
    /// That of [`Kind::Whipstitch`].
    pub(super) whipstitch: PathBuf,
    /// That of [`Kind::Baseline`].
    pub(super) baseline: Option<PathBuf>,
    /// Those of other projects.
    pub(super) peers: Peers,
}

/// What every target is told.
pub(super) struct World {
    /// Where configuration, certificate and logs are.
    pub(super) folder: PathBuf,
    /// The certificate to show.
    pub(super) certificate: Certificate,
    /// How to reach a target.
    pub(super) dialer: Dialer,
    /// Port of the manager on 127.0.0.1.
    pub(super) manager: u16,
    /// Port of the node on [`wire::NODE`].
    pub(super) node: u16,
    /// The process of the generator.
    pub(super) generator: Tree,
    /// The process of the manager and the node, which shares the generator's core.
    pub(super) backend: Tree,
    /// The binaries of this workspace.
    pub(super) builds: Builds,
    /// What stands in its configuration beside the command line.
    pub(super) settings: &'static str,
}

/// A proxy that runs.
pub(super) struct Target {
    /// Which.
    pub(super) kind: Kind,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Its process.
    pub(super) child: Child,
    /// From its start to its first answer over TLS.
    pub(super) started: Duration,
}

impl Kind {
    /// As the table calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::NginxWide => "nginx, 32 KB buffers",
            Self::Envoy => "envoy",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::Pingora => "pingora",
            Self::Whipstitch => "whipstitch",
            Self::Baseline => "whipstitch, baseline",
        }
    }

    /// Its program.
    pub(super) fn binary(self, builds: &Builds) -> Result<PathBuf> {
        let name = match self {
            Self::Haproxy => "haproxy",
            Self::Nginx | Self::NginxWide => "nginx",
            Self::Envoy | Self::Caddy | Self::Traefik | Self::Pingora => {
                let binary = builds.peers.binary(self);
                return binary.ok_or_else(|| format!("{} is not installed", self.name()).into());
            }
            Self::Whipstitch => return Ok(builds.whipstitch.clone()),
            Self::Baseline => {
                let baseline = builds.baseline.clone();
                return baseline.ok_or_else(|| "which build is it? Name it by --baseline".into());
            }
        };
        command::find(name).ok_or_else(|| format!("{name} is not installed").into())
    }

    fn command(self, world: &World, port: u16) -> Result<Command> {
        let mut program = Command::new(self.binary(&world.builds)?);
        let file = world.folder.join(format!("{self:?}.conf"));
        match self {
            Self::Haproxy => {
                std::fs::write(&file, settings::haproxy(world, port))?;
                program.arg("-db").arg("-f").arg(file);
            }
            Self::Nginx | Self::NginxWide => {
                let wide = self == Self::NginxWide;
                std::fs::write(&file, settings::nginx(world, port, wide))?;
                program.arg("-p").arg(&world.folder).arg("-c").arg(file);
            }
            Self::Envoy => peers::envoy(&mut program, &file, world, port)?,
            Self::Caddy => peers::caddy(&mut program, &file, world, port)?,
            Self::Traefik => peers::traefik(&mut program, &file, world, port)?,
            Self::Pingora => peers::pingora(&mut program, world, port),
            Self::Whipstitch | Self::Baseline => {
                std::fs::write(&file, world.settings)?;
                program
                    .arg("run")
                    .args(settings::whipstitch(world, port))
                    .arg("--config")
                    .arg(file)
                    .env("TOKIO_WORKER_THREADS", "1");
            }
        }
        Ok(program)
    }
}

impl Target {
    /// Starts a proxy and waits for its first answer.
    pub(super) async fn start(kind: Kind, world: &World) -> Result<Self> {
        let address = free_address()?;
        let mut program = kind.command(world, address.port())?;
        let log = world.folder.join(format!("{kind:?}.log"));
        let began = Instant::now();
        let child = Child::start(CORE, &mut program, log)?;
        let started = Duration::ZERO;
        let mut target = Self {
            kind,
            address,
            child,
            started,
        };
        target.answers(&world.dialer, began + START).await?;
        target.started = began.elapsed();
        Ok(target)
    }

    async fn answers(&mut self, dialer: &Dialer, deadline: Instant) -> Result {
        loop {
            let answer = async {
                let mut connection = Connection::open(dialer, self.address).await?;
                connection.exchange(&wire::get()).await
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let said = match tokio::time::timeout(left, answer).await {
                Ok(Ok(answer)) if answer.status == 200 => return Ok(()),
                Ok(Ok(answer)) => format!("status {}", answer.status),
                Ok(Err(error)) => error.to_string(),
                Err(_) => {
                    let words = self.child.last_words();
                    return Err(format!("no answer in {START:?}: {words}").into());
                }
            };
            self.child.alive()?;
            if Instant::now() > deadline {
                return Err(format!("{said}: {}", self.child.last_words()).into());
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
    }
}

/// An address that was free when asked; the target logs an error if it no longer is.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Size of a program in MB, without the libraries that it shares.
pub(super) fn megabytes(binary: &Path) -> Result<f64> {
    let kib = u32::try_from(std::fs::metadata(binary)?.len() / 1024)?;
    Ok(f64::from(kib) / 1000.0 * 1.024)
}
