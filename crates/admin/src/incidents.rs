//! `GET /recent`: recent refusals and errors.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use whipstitch_proxy::{Incidents, Metrics, incidents::Incident};

use super::answer::unix_ms;

/// `GET /recent`
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    refusals: Vec<Row>,
    errors: Vec<Row>,
    /// How often clients were told of each problem since the start, the most frequent first.
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Problem {
    kind: &'static str,
    status: u16,
    title: &'static str,
    cure: &'static str,
    count: u64,
}

#[derive(Debug, Serialize)]
struct Row {
    at: u64,
    /// The slug of the problem; null if the answer was the node's or the Stream Manager's own.
    kind: Option<&'static str>,
    status: u16,
    subject: &'static str,
    stream: Option<String>,
    node: Option<SocketAddr>,
    client: Option<IpAddr>,
    id: Box<str>,
}

pub(super) fn shown(recent: &Incidents, metrics: &Metrics) -> Shown {
    let rows = |incidents: Vec<Incident>| incidents.into_iter().map(Row::from).collect();
    Shown {
        refusals: rows(recent.refusals()),
        errors: rows(recent.errors()),
        problems: problems(metrics),
    }
}

fn problems(metrics: &Metrics) -> Vec<Problem> {
    let counted = metrics
        .problems()
        .into_iter()
        .filter(|(_, count)| *count > 0);
    let mut problems: Vec<Problem> = counted
        .map(|(kind, count)| {
            let entry = kind.entry();
            Problem {
                kind: entry.slug,
                status: entry.status.as_u16(),
                title: entry.title,
                cure: entry.cure,
                count,
            }
        })
        .collect();
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.count));
    problems
}

impl From<Incident> for Row {
    fn from(incident: Incident) -> Self {
        Self {
            at: unix_ms(incident.at),
            kind: incident.problem.map(|kind| kind.entry().slug),
            status: incident.status.as_u16(),
            subject: incident.subject,
            stream: incident.stream.map(|stream| stream.to_string()),
            node: incident.node,
            client: incident.client,
            id: incident.id,
        }
    }
}
