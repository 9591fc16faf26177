//! `GET /status` and `/readyz`: the state of the process.

use std::{net::SocketAddr, time::SystemTime};

use http::{Response, StatusCode};
use serde::Serialize;
use tokio::time::Instant;
use whipstitch_origin::metrics::{LoginSeen, NodeListSeen};
use whipstitch_proxy::metrics::Attempted;
use whipstitch_signaling::query;

use super::{
    Admin, Drained, LastReload, Stage,
    answer::{self, Body, fine_millis, unix_ms},
    certificate_row::{Certificate, shown},
    lifecycle,
    verdict::Verdict,
};

/// `GET /status`
#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: &'static str,
    revision: Option<&'static str>,
    started_at: u64,
    now_at: u64,
    state: Stage,
    verdict: Verdict,
    last_minute: Attempts,
    last_15_minutes: Attempts,
    drain: Option<Drain>,
    listeners: Listeners,
    certificates: Vec<Certificate>,
    manager: Manager,
    cache: Cache,
    sessions: Sessions,
    requests: Requests,
    log_level: Level,
    config_file: Option<String>,
    reloads: Option<LastReload>,
}

/// Attempts to begin a session.
#[derive(Debug, Serialize)]
struct Attempts {
    made: u64,
    refused: u64,
    failed: u64,
    /// Those that did not fail; null without any.
    success_share: Option<f64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Drain {
    began_at: u64,
    deadline_at: u64,
    exchanges: usize,
    sockets: usize,
    /// Null until it is over.
    outcome: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Listeners {
    https: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
}

#[derive(Debug, Serialize)]
struct Manager {
    url: String,
    api: &'static str,
    state: &'static str,
    breaker: &'static str,
    last_answer_ms: Option<f64>,
    /// Why the last call that failed did: `connection refused`, `timeout after 2 s`, `TLS: unknown
    /// issuer of the certificate`.
    last_error: Option<String>,
    last_error_at: Option<u64>,
    /// Since when no call got an answer; null while they do.
    failing_since_at: Option<u64>,
    /// Null where the list of nodes is not polled, and before the first poll.
    node_list: Option<NodeList>,
    /// Null where there is no login.
    login: Option<Login>,
}

/// The polls of the manager's list of nodes.
#[derive(Debug, Serialize)]
struct NodeList {
    state: &'static str,
    since_at: u64,
    /// Of the last good poll.
    nodes: Option<usize>,
    error: Option<String>,
}

/// The logins at a Stream Manager 2.0.
#[derive(Debug, Serialize)]
struct Login {
    state: &'static str,
    since_at: u64,
    error: Option<String>,
    token_ends_at: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Cache {
    entries: u64,
    hits: u64,
    misses: u64,
    stale: u64,
    /// Null before the first lookup.
    hit_rate: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Sessions {
    http: usize,
    sockets: usize,
    limit_sockets: usize,
    /// HTTP sessions that are not shown any more since there were too many.
    forgotten: u64,
}

#[derive(Debug, Serialize)]
struct Requests {
    in_flight: u64,
    total: u64,
    errors: u64,
}

#[derive(Debug, Serialize)]
struct Level {
    now: String,
    until_at: Option<u64>,
}

pub(super) fn status(admin: &Admin) -> Status {
    let parts = &admin.0;
    let (facts, requests) = (&parts.facts, parts.proxy.totals());
    let sessions = parts.sessions.count();
    let [minute, quarter] = parts.judge.recent();
    Status {
        version: facts.version,
        revision: facts.revision,
        started_at: unix_ms(facts.started),
        now_at: unix_ms(SystemTime::now()),
        state: parts.lifecycle.stage(),
        verdict: parts.judge.verdict(),
        last_minute: Attempts::of(&minute),
        last_15_minutes: Attempts::of(&quarter),
        drain: parts.lifecycle.drain().map(Drain::of),
        listeners: Listeners {
            https: facts.https.clone(),
            http: facts.http.clone(),
            admin: facts.admin,
        },
        certificates: parts
            .certificates
            .iter()
            .map(|store| shown(store))
            .collect(),
        manager: Manager::of(admin),
        cache: Cache::of(admin),
        sessions: Sessions {
            http: sessions.http,
            sockets: sessions.sockets,
            limit_sockets: parts.live_config.snapshot().config.limits.sockets,
            forgotten: sessions.forgotten,
        },
        requests: Requests {
            in_flight: requests.in_flight,
            total: requests.requests,
            errors: requests.errors,
        },
        log_level: Level::of(admin),
        config_file: facts
            .config_file
            .as_ref()
            .map(|file| file.display().to_string()),
        reloads: parts.reload.last(),
    }
}

impl Attempts {
    fn of(attempted: &Attempted) -> Self {
        let millis = |share| {
            let seconds = attempted.quantile(share)?;
            Some((seconds * 10_000.0).round() / 10.0)
        };
        Self {
            made: attempted.made,
            refused: attempted.refused,
            failed: attempted.failed,
            success_share: attempted.failed_share().map(|failed| 1.0 - failed),
            p50_ms: millis(0.5),
            p99_ms: millis(0.99),
        }
    }
}

impl Drain {
    fn of(drain: lifecycle::Drain) -> Self {
        Self {
            began_at: unix_ms(drain.times.began),
            deadline_at: unix_ms(drain.times.deadline),
            exchanges: drain.exchanges,
            sockets: drain.sockets,
            outcome: drain.result.map(|result| match result {
                Drained::Whole => "whole",
                Drained::Cut { .. } => "cut",
            }),
        }
    }
}

impl Manager {
    fn of(admin: &Admin) -> Self {
        let parts = &admin.0;
        let seen = parts.origin.manager();
        let (last_error, at) = seen.last_error.unzip();
        let when = |at: Instant| unix_ms(SystemTime::now() - at.elapsed());
        Self {
            url: parts.facts.manager_url.clone(),
            api: parts.facts.manager_api,
            state: match seen.answers {
                None => "unknown",
                Some(true) => "answering",
                Some(false) => "failing",
            },
            breaker: if parts.breaker.is_open() {
                "open"
            } else {
                "closed"
            },
            last_answer_ms: seen.last_answer.map(fine_millis),
            last_error: last_error.map(|cause| cause.to_string()),
            last_error_at: at.map(when),
            failing_since_at: seen.failing_since.map(when),
            node_list: seen.node_list.map(NodeList::of),
            login: seen.login.map(Login::of),
        }
    }
}

impl NodeList {
    fn of(seen: NodeListSeen) -> Self {
        Self {
            state: if seen.error.is_some() {
                "failing"
            } else {
                "known"
            },
            since_at: unix_ms(seen.since),
            nodes: seen.nodes,
            error: seen.error,
        }
    }
}

impl Login {
    fn of(seen: LoginSeen) -> Self {
        Self {
            state: match &seen.error {
                None => "accepted",
                Some(_) if seen.refused => "refused",
                Some(_) => "failing",
            },
            since_at: unix_ms(seen.since),
            error: seen.error,
            token_ends_at: seen.token_ends.map(unix_ms),
        }
    }
}

impl Cache {
    #[expect(clippy::cast_precision_loss, reason = "a share, to a few digits")]
    fn of(admin: &Admin) -> Self {
        let totals = admin.0.origin.totals();
        let all = totals.hits + totals.misses + totals.stale;
        Self {
            entries: admin.0.view.cached(),
            hits: totals.hits,
            misses: totals.misses,
            stale: totals.stale,
            hit_rate: (all > 0).then(|| (totals.hits + totals.stale) as f64 / all as f64),
        }
    }
}

impl Level {
    fn of(admin: &Admin) -> Self {
        let parts = &admin.0;
        let (now, until) = match &parts.log {
            Some(log) => log.now(),
            None => (parts.live_config.snapshot().config.log.filter.clone(), None),
        };
        Self {
            now,
            until_at: until.map(unix_ms),
        }
    }
}

/// 200 as long as new clients should come; with `?verbose`, what that rests on and what it does
/// not.
pub(super) fn readyz(admin: &Admin, asked: &str) -> Response<Body> {
    let stage = admin.0.lifecycle.stage();
    let (status, word) = match stage {
        Stage::Ready => (StatusCode::OK, "ready"),
        Stage::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Stage::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        Stage::Drained => (StatusCode::SERVICE_UNAVAILABLE, "drained"),
    };
    if query::get(asked, "verbose").is_none() {
        return answer::text(status, format!("{word}\n"));
    }
    let (manager, count) = (Manager::of(admin), admin.0.sessions.count());
    let limit = admin.0.live_config.snapshot().config.limits.sockets;
    let certificates = admin.0.certificates.iter().map(|store| shown(store));
    let days: Vec<String> = certificates
        .map(|certificate| match certificate.days_left() {
            Some(days) => format!("certificate: {days} days left (does not count)\n"),
            None => "certificate: cannot be read (does not count)\n".to_owned(),
        })
        .collect();
    let body = format!(
        "listeners: {word}\nmanager: {}, breaker {} (does not count)\n{}sockets: {} of {limit} (does not count)\n{word}\n",
        manager.state,
        manager.breaker,
        days.concat(),
        count.sockets,
    );
    answer::text(status, body)
}
