//! One visit: a target does one work for a while, and is looked at meanwhile.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::proc::Tree;
use super::target::{Target, World};
use super::work::{Client, Score, Work};
use super::{http2, wire};
use crate::Result;

/// How long all clients may take to have done their first operation.
const OPENING: Duration = Duration::from_secs(15);
/// Not measured: buffers grow, caches fill.
const WARM_UP: Duration = Duration::from_millis(300);
/// Sockets opened at once before the memory of idle ones is measured.
const OPENERS: u16 = 16;
/// After which memory no longer moves.
const SETTLE: Duration = Duration::from_millis(1500);

/// What one visit showed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// The target's time on the CPU for an operation, µs.
    pub(super) cpu_micros: f64,
    /// Operations a second.
    pub(super) rate: f64,
    /// Part of its core that the target used. Well below 1 something else was the limit.
    pub(super) busy: f64,
    /// Part of the other core that the generator used.
    pub(super) generator_busy: f64,
    /// Part of the other core that the node used.
    pub(super) node_busy: f64,
    /// How long half of the operations took at most, µs.
    pub(super) p50_micros: f64,
    /// How long 99 of 100 took at most, µs.
    pub(super) p99_micros: f64,
}

/// The footprint of a target that has done nothing else.
#[derive(Debug, Clone, Copy)]
pub(super) struct Footprint {
    /// Memory after the first answer, MB.
    pub(super) idle_mb: f64,
    /// Memory of each idle socket, KiB.
    pub(super) session_kib: f64,
}

impl fmt::Display for Sample {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: f64| part * 100.0;
        write!(
            out,
            "{:.1} µs, {:.0}/s, p50 {:.0} µs, p99 {:.0} µs, its core {:.0} % busy, the other {:.0} % by the generator and {:.0} % by the node",
            self.cpu_micros,
            self.rate,
            self.p50_micros,
            self.p99_micros,
            percent(self.busy),
            percent(self.generator_busy),
            percent(self.node_busy)
        )
    }
}

fn client(world: &World, target: &Target, index: usize, score: &Arc<Score>) -> Client {
    Client {
        dialer: world.dialer.clone(),
        target: target.address,
        index,
        score: Arc::clone(score),
    }
}

/// Has the target do `work` for `seconds`.
pub(super) async fn measure(
    world: &World,
    target: &Target,
    work: Work,
    seconds: Duration,
) -> Result<Sample> {
    let score = Score::new();
    let mut clients = JoinSet::new();
    for index in 0..work.clients() {
        clients.spawn(client(world, target, index, &score).work(work));
    }
    let window = async {
        let all = u32::try_from(work.clients())?;
        let ready = timeout(OPENING, score.ready.acquire_many(all)).await;
        drop(ready.map_err(|_| format!("not all clients got an answer in {OPENING:?}"))??);
        sleep(WARM_UP).await;
        let tree = target.child.tree()?;
        let look = || Look::take(&tree, world, &score);
        let before = look()?;
        sleep(seconds).await;
        sample(&before, &look()?, &score)
    };
    tokio::select! {
        sample = window => sample,
        // Clients never end well: each works until we drop it.
        Some(ended) = clients.join_next() => match ended? {
            Err(error) => Err(error.into()),
            Ok(never) => match never {},
        },
    }
}

/// What a visit's window begins and ends with.
struct Look {
    at: Instant,
    target: Duration,
    generator: Duration,
    node: Duration,
    done: usize,
}

impl Look {
    fn take(target: &Tree, world: &World, score: &Score) -> Result<Self> {
        Ok(Self {
            at: Instant::now(),
            target: target.cpu()?,
            generator: world.generator.cpu()?,
            node: world.backend.cpu()?,
            done: score.count(),
        })
    }
}

fn sample(before: &Look, after: &Look, score: &Score) -> Result<Sample> {
    let done = after.done - before.done;
    if done == 0 {
        return Err("nothing was done".into());
    }
    let wall = (after.at - before.at).as_secs_f64();
    let part =
        |cpu: fn(&Look) -> Duration| cpu(after).saturating_sub(cpu(before)).as_secs_f64() / wall;
    let (busy, rate) = (
        part(|look| look.target),
        f64::from(u32::try_from(done)?) / wall,
    );
    let latencies = score.latencies(before.done);
    Ok(Sample {
        cpu_micros: busy * 1e6 / rate,
        rate,
        busy,
        generator_busy: part(|look| look.generator),
        node_busy: part(|look| look.node),
        p50_micros: quantile(&latencies, 50),
        p99_micros: quantile(&latencies, 99),
    })
}

/// The value below which `percent` of the sorted `values` are.
fn quantile(values: &[u32], percent: usize) -> f64 {
    let index = (values.len() * percent / 100).min(values.len().saturating_sub(1));
    values.get(index).copied().map_or(0.0, f64::from)
}

/// Fails unless the target does each kind of work rightly.
pub(super) async fn check(world: &World, target: &Target) -> Result {
    let client = client(world, target, 0, &Score::new());
    let mut connection = super::http1::Connection::open(&world.dialer, target.address).await?;
    let page = connection.exchange(&wire::get()).await?;
    if page.body != wire::BODY.as_bytes() {
        return Err("GET gives another page".into());
    }
    let created = connection.exchange(&wire::post(0)).await?;
    let location = super::http1::header(&created.head, "location");
    if created.status != 201 || location.is_none() || created.body != wire::ANSWER.as_bytes() {
        let head = String::from_utf8_lossy(&created.head).into_owned();
        return Err(format!("WHIP POST gives {head}").into());
    }
    let mut socket = client.socket().await?;
    client.echo_once(&mut socket).await?;
    let (mut streams, driver) = http2::open(&world.dialer, target.address).await?;
    let page = tokio::select! {
        page = streams.exchange(http2::get()?) => page?,
        closed = driver => return Err(format!("h2 closed: {closed:?}").into()),
    };
    if page.body() != wire::BODY.as_bytes() {
        return Err("GET over h2 gives another page".into());
    }
    Ok(())
}

/// Opens `sessions` sockets, leaves them alone, and looks at the memory.
pub(super) async fn footprint(world: &World, target: &Target, sessions: u16) -> Result<Footprint> {
    sleep(SETTLE).await;
    let idle = target.child.tree()?.memory_kib()?;
    let score = Score::new();
    let mut openers = JoinSet::new();
    for opener in 0..OPENERS {
        let share = (sessions + opener) / OPENERS;
        let client = client(world, target, usize::from(opener), &score);
        openers.spawn(async move {
            let mut open = Vec::new();
            for _ in 0..share {
                open.push(client.socket().await?);
            }
            Ok::<_, std::io::Error>((client, open))
        });
    }
    let mut open = Vec::new();
    while let Some(done) = openers.join_next().await {
        open.push(done??);
    }
    sleep(SETTLE).await;
    let full = target.child.tree()?.memory_kib()?;
    // Only sessions that still work were worth measuring.
    for (client, sockets) in &mut open {
        for socket in sockets {
            client.echo_once(socket).await?;
        }
    }
    Ok(Footprint {
        idle_mb: f64::from(idle) / 1000.0 * 1.024,
        session_kib: f64::from(full.saturating_sub(idle)) / f64::from(sessions),
    })
}
