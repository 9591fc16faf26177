//! The families of metrics, with their help texts.

use std::sync::Mutex;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts};

use super::{Found, Inner, LOGINS, NODE_KINDS};
use crate::{cause::Cause, refusal::Refusal};

impl Inner {
    pub(super) fn unregistered() -> prometheus::Result<Self> {
        let lookups = IntCounterVec::new(
            Opts::new(
                "origin_lookups_total",
                "Lookups of the node for a stream: hit (answered by what is remembered), stale (by what is past its life, since the Stream Manager cannot tell), miss (the Stream Manager is asked or an open question joined).",
            ),
            &["result"],
        )?;
        let questions = IntCounterVec::new(
            Opts::new(
                "stream_manager_lookups_total",
                "Calls to the Stream Manager's event API, by answer: found, not_found, refused (it named no address that may be dialled), failed. An idle probe (stream_manager.probe) that is answered with an error is none of them.",
            ),
            &["result"],
        )?;
        let refusals = IntCounterVec::new(
            Opts::new(
                "origin_refused_total",
                "Addresses that were not dialled, by reason.",
            ),
            &["reason"],
        )?;
        for refusal in Refusal::ALL {
            refusals.with_label_values(&[refusal.label()]);
        }
        let polls = IntCounterVec::new(
            Opts::new(
                "node_list_polls_total",
                "Looks at the Stream Manager's list of nodes, by how they went.",
            ),
            &["result"],
        )?;
        let logins = IntCounterVec::new(
            Opts::new(
                "stream_manager_logins_total",
                "Logins at a Stream Manager 2.0, by result: ok, refused (it said no, or does not accept the token that it gave), failed (no answer, or none that can be read).",
            ),
            &["result"],
        )?;
        let (manager_failures, node_failures) = failures()?;
        Ok(Self {
            recalled: Found::ALL.map(|found| lookups.with_label_values(&[found.label()])),
            lookups,
            found: questions.with_label_values(&["found"]),
            not_found: questions.with_label_values(&["not_found"]),
            refused: questions.with_label_values(&["refused"]),
            failed: questions.with_label_values(&["failed"]),
            questions,
            duration: Histogram::with_opts(
                HistogramOpts::new(
                    "origin_lookup_duration_seconds",
                    "Time of the calls to the Stream Manager's event API.",
                )
                .buckets(vec![
                    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
                ]),
            )?,
            manager_up: IntGauge::new(
                "stream_manager_up",
                "Whether the last call to the Stream Manager's event API got an answer (1) or not (0); 1 before the first. One question of a client that it cannot answer is enough for 0: alert on stream_manager_breaker_open. For an idle probe an error status is an answer.",
            )?,
            breaker_open: IntGauge::new(
                "stream_manager_breaker_open",
                "Whether lookups are held back from a Stream Manager that does not answer (1) or sent to it (0).",
            )?,
            breaker_opened: IntCounter::new(
                "stream_manager_breaker_opened_total",
                "Times that lookups began to be held back from a Stream Manager that did not answer.",
            )?,
            ejections: IntCounter::new(
                "node_ejections_total",
                "Times that a node was ejected: others are tried first for a while.",
            )?,
            manager_failures,
            node_failures,
            node_connect: Histogram::with_opts(
                HistogramOpts::new(
                    "node_connect_duration_seconds",
                    "Time until connections to nodes were there; those that did not come about are not among them.",
                )
                .buckets(vec![
                    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0,
                ]),
            )?,
            refusals,
            polls_ok: polls.with_label_values(&["ok"]),
            polls_failed: polls.with_label_values(&["failed"]),
            polls,
            logins: LOGINS.map(|result| logins.with_label_values(&[result])),
            logins_all: logins,
            login_failing: IntGauge::new(
                "stream_manager_login_failing",
                "Whether the last login at a Stream Manager 2.0 failed, or user and password cannot be read (1), or not (0); 0 where no login is configured.",
            )?,
            manager: Mutex::default(),
        })
    }
}

/// What the Stream Manager and the nodes failed, by kind of cause.
fn failures() -> prometheus::Result<(IntCounterVec, IntCounterVec)> {
    let manager = IntCounterVec::new(
        Opts::new(
            "stream_manager_failures_total",
            "Calls to the Stream Manager's event API that got no usable answer, by cause: refused (connection), name (resolution), timeout, tls, answer (an error status, not HTTP, not its JSON, too long), other.",
        ),
        &["cause"],
    )?;
    let nodes = IntCounterVec::new(
        Opts::new(
            "node_failures_total",
            "Requests that a node failed, by cause: refused (connection), timeout, answer (502, 503, not HTTP), other.",
        ),
        &["cause"],
    )?;
    for kind in Cause::KINDS {
        manager.with_label_values(&[kind]);
    }
    for kind in NODE_KINDS {
        nodes.with_label_values(&[kind]);
    }
    Ok((manager, nodes))
}
