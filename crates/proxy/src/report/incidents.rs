//! Incidents: the last requests that were refused, and the last that failed, for the status page.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use http::StatusCode;
use whipstitch_signaling::StreamKey;

use crate::{Exchange, words::problem::Kind};

/// How many of each are kept.
pub const KEPT: usize = 50;

/// The last incidents. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Incidents(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    refusals: Mutex<VecDeque<Incident>>,
    errors: Mutex<VecDeque<Incident>>,
}

/// One request that did not go well. It holds no value of a query, no header but the id, and no
/// path.
#[derive(Clone, Debug)]
pub struct Incident {
    /// When its answer was over.
    pub at: SystemTime,
    /// The problem; none if the answer is the node's or the Stream Manager's own.
    pub problem: Option<Kind>,
    /// The status of the answer.
    pub status: StatusCode,
    /// Its subject, as in metrics.
    pub subject: &'static str,
    /// The stream of the request.
    pub stream: Option<StreamKey>,
    /// The node that it was sent to last.
    pub node: Option<SocketAddr>,
    /// The address of the client.
    pub client: Option<IpAddr>,
    /// The id of the exchange, as in the log.
    pub id: Box<str>,
}

impl Incidents {
    /// The last ones whose fault was not ours, nor a node's: status 4xx with a problem. The newest
    /// first.
    pub fn refusals(&self) -> Vec<Incident> {
        newest_first(&self.0.refusals)
    }

    /// The last ones with status 5xx, the newest first.
    pub fn errors(&self) -> Vec<Incident> {
        newest_first(&self.0.errors)
    }

    /// Keeps an exchange that ended with this status, if that is an incident. A refusal of a node
    /// is none.
    pub(crate) fn ended(&self, exchange: &Exchange, status: StatusCode) {
        let problem = exchange.record().problem.get().copied();
        let ring = match (status.as_u16(), problem) {
            (500.., _) => &self.0.errors,
            (400.., Some(_)) => &self.0.refusals,
            _ => return,
        };
        let incident = Incident::of(exchange, status, problem);
        let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() >= KEPT {
            ring.pop_front();
        }
        ring.push_back(incident);
    }
}

impl Incident {
    fn of(exchange: &Exchange, status: StatusCode, problem: Option<Kind>) -> Self {
        let record = exchange.record();
        Self {
            at: SystemTime::now(),
            problem,
            status,
            subject: exchange.subject().label(),
            stream: record.stream.get().cloned(),
            node: exchange.tries().node,
            client: exchange.client(),
            id: exchange.id().into(),
        }
    }
}

fn newest_first(ring: &Mutex<VecDeque<Incident>>) -> Vec<Incident> {
    let ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
    ring.iter().rev().cloned().collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn the_last_fifty_of_each_are_kept_and_successes_are_not() {
        let incidents = Incidents::default();
        for number in 0_u16..120 {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", number.to_string().parse().unwrap());
            let exchange = Exchange::begin(&headers, None);
            incidents.ended(&exchange, StatusCode::CREATED);
            incidents.ended(&exchange, StatusCode::NOT_FOUND);
            incidents.ended(&exchange, StatusCode::BAD_GATEWAY);
            exchange.failed(Kind::BadName);
            incidents.ended(&exchange, StatusCode::BAD_REQUEST);
        }
        let (refusals, errors) = (incidents.refusals(), incidents.errors());
        assert_eq!((refusals.len(), errors.len()), (KEPT, KEPT));
        assert_eq!((&*refusals[0].id, &*refusals[49].id), ("119", "70"));
        assert_eq!(refusals[0].problem, Some(Kind::BadName));
        assert_eq!((errors[0].problem, errors[0].status.as_u16()), (None, 502));
    }
}
