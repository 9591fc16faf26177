//! `--replicas`: whether the replicas of one deployment are one to a client. A session that was
//! made at one has to be served by the next, and their clocks have to agree.

use std::{
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderValue, Method};
use tokio::net::lookup_host;

use crate::{
    Error, Options, Role, Row,
    answer::Exchange,
    checks::NO_SESSION,
    clients::rfc,
    play::{Environment, Visit},
    rule::{Outcome, failed_set, skipped},
    url::Url,
    wire::{Ask, Wire},
};

/// Most replicas: each is asked a few times.
const MOST: usize = 16;
/// Whole seconds that clocks may differ: `Date` has no finer ones, and NTP keeps far below.
const MOST_APART: u64 = 5;
const WHO: (&str, &str) = ("replicas", "the replicas");
const SERVED: (&str, &str) = (
    "a session of one is served by the next",
    "a balancer sends each request of a client to any replica",
);
const CLOCKS: (&str, &str) = (
    "their clocks agree within 5 s",
    "Date of RFC 9110 §6.6.1; Whipstitch allows 30 s between replicas",
);
const AHEAD: (&str, &str) = (
    "none has seen a clock ahead by 30 s",
    "whipstitch_replica_clock_ahead_seconds at --metrics",
);
const AHEAD_METRIC: &str = "whipstitch_replica_clock_ahead_seconds ";
const MOST_AHEAD: f64 = 30.0;
const UNSAFE_CLOCKS: &str =
    "an old session URL may end a newer session, or a PATCH or DELETE is refused";

/// One replica.
struct Replica {
    shown: String,
    server: Url,
    /// Its address, where several have one name.
    address: Option<IpAddr>,
}

/// Rows about the replicas; none without `--replicas`.
///
/// # Errors
/// A URL cannot be used, or there is one replica only.
pub(crate) async fn look(
    options: &Options,
    environment: &Environment<'_>,
    stream: &str,
) -> Result<Vec<Row>, Error> {
    let role = if options.only_read {
        Role::Play
    } else {
        Role::Publish
    };
    let row = |rule, outcome| Row::new((WHO.0, WHO.1, role), rule, outcome);
    let mut rows = Vec::new();
    if let Some(urls) = &options.replicas {
        let replicas = replicas(urls, &environment.target.base).await?;
        let next = replicas.iter().cycle().skip(1);
        for (one, other) in replicas.iter().zip(next) {
            rows.push(row(
                SERVED,
                served(environment, role, stream, (one, other)).await,
            ));
        }
        rows.push(row(
            CLOCKS,
            clocks(environment, &replicas, role, stream).await,
        ));
    }
    for url in &options.metrics {
        let url = Url::parse(url).ok_or_else(|| Error::Url(url.clone()))?;
        rows.push(row(AHEAD, ahead(environment.wire, url).await));
    }
    Ok(rows)
}

/// The replicas that were named, or the addresses of the one name.
async fn replicas(urls: &[String], base: &Url) -> Result<Vec<Replica>, Error> {
    let mut all = Vec::new();
    for url in urls.iter().filter(|url| !url.is_empty()) {
        let server = Url::parse(url).ok_or_else(|| Error::Url(url.clone()))?;
        all.push(Replica {
            shown: server.origin(),
            server: server.with("/", None),
            address: None,
        });
    }
    if all.is_empty() {
        let found = lookup_host((base.host(), base.port())).await;
        let found = found.map_err(|error| Error::Unreachable(base.origin(), error.to_string()))?;
        let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        all.extend(addresses.into_iter().map(|address| Replica {
            shown: address.to_string(),
            server: base.clone(),
            address: Some(address),
        }));
    }
    match all.len() {
        2..=MOST => Ok(all),
        count => Err(Error::Option(format!(
            "--replicas: {count} found, 2 to {MOST} needed; name them: --replicas=URL,URL"
        ))),
    }
}

/// Makes a session at one replica and ends it at the other.
async fn served(
    environment: &Environment<'_>,
    role: Role,
    stream: &str,
    (one, other): (&Replica, &Replica),
) -> Outcome {
    let client = match role {
        Role::Publish => &rfc::WHIP,
        Role::Play => &rfc::WHEP,
    };
    let (target, wire) = at(environment, one);
    let first = Environment {
        wire: &wire,
        target: &target,
        ..*environment
    };
    let mut visit = Visit::new(&first, client, stream);
    visit.begin().await;
    let Some(session) = visit.transcript.session.clone() else {
        visit.end().await;
        return skipped(format!("{}: {NO_SESSION}", one.shown));
    };
    let (_, wire) = at(environment, other);
    let url = other.server.with(&session.path, session.query.clone());
    let mut ask = Ask::new(Method::DELETE, url);
    ask.bearer = true;
    let came = match wire.ask(ask).await {
        Exchange::Answer(answer) if answer.is_success() => return Ok(()),
        Exchange::Answer(answer) => answer.shown(),
        Exchange::NoAnswer(words) => words,
    };
    visit.end().await;
    failed_set(
        format!("made at {}, DELETE at {}: {came}", one.shown, other.shown),
        "clients cannot trickle, restart or end sessions that another replica made",
        "sessions.key_file with the same keys on every replica",
    )
}

/// How a replica is reached.
fn at(environment: &Environment<'_>, replica: &Replica) -> (crate::target::Target, Wire) {
    let mut wire = environment.wire.clone();
    wire.address = replica.address;
    wire.named.push(replica.server.clone());
    (environment.target.at(&replica.server), wire)
}

async fn clocks(
    environment: &Environment<'_>,
    replicas: &[Replica],
    role: Role,
    stream: &str,
) -> Outcome {
    let mut ahead: Vec<(i64, &str)> = Vec::new();
    for replica in replicas {
        let (target, wire) = at(environment, replica);
        match date(&wire, target.endpoint(role, stream), environment.origin).await {
            Some(difference) => ahead.push((difference, &replica.shown)),
            None => return skipped(format!("{}: no Date", replica.shown)),
        }
    }
    let (Some(last), Some(first)) = (ahead.iter().min(), ahead.iter().max()) else {
        return skipped(NO_SESSION);
    };
    let apart = first.0.abs_diff(last.0);
    if apart <= MOST_APART {
        return Ok(());
    }
    failed_set(
        format!("{} is {apart} s ahead of {}", first.1, last.1),
        UNSAFE_CLOCKS,
        "NTP (chrony, systemd-timesyncd) on every replica",
    )
}

/// Seconds that a server's clock is ahead of this machine's. It answers a preflight by itself: the
/// `Date` of other answers may be that of a server behind.
async fn date(wire: &Wire, url: Url, origin: &str) -> Option<i64> {
    let mut ask = Ask::new(Method::OPTIONS, url);
    let origin = HeaderValue::from_str(origin).ok()?;
    ask.headers.insert("origin", origin);
    ask.headers.insert(
        "access-control-request-method",
        HeaderValue::from_static("POST"),
    );
    let came = wire.ask(ask).await;
    let theirs = httpdate::parse_http_date(came.answer()?.header("date")?).ok()?;
    Some(seconds(theirs) - seconds(SystemTime::now()))
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

async fn ahead(wire: &Wire, url: Url) -> Outcome {
    let shown = url.shown();
    let answer = match wire.ask(Ask::new(Method::GET, url)).await {
        Exchange::Answer(answer) => answer,
        Exchange::NoAnswer(words) => return skipped(format!("{shown}: {words}")),
    };
    let mut values = answer
        .body
        .lines()
        .filter_map(|line| line.strip_prefix(AHEAD_METRIC));
    let Some(value) = values
        .next()
        .and_then(|value| value.trim().parse::<f64>().ok())
    else {
        return skipped(format!(
            "{shown}: {} without {AHEAD_METRIC}",
            answer.shown()
        ));
    };
    if value <= MOST_AHEAD {
        return Ok(());
    }
    failed_set(
        format!("{shown}: another replica's clock was {value} s ahead"),
        UNSAFE_CLOCKS,
        "NTP (chrony, systemd-timesyncd) on every replica",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn an_address_stands_for_what_the_name_resolves_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = Url::parse(&format!("http://replicas.invalid:{port}")).unwrap();
        let mut wire = Wire {
            tls: None,
            patience: Duration::from_secs(10),
            bearer: None,
            named: Vec::new(),
            address: None,
        };
        assert!(wire.connect(&url).await.is_err());
        wire.address = Some(IpAddr::from([127, 0, 0, 1]));
        assert!(wire.connect(&url).await.is_ok());
    }
}
