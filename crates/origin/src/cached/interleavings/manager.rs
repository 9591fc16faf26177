//! A manager that keeps a record of everything.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};
use whipstitch_signaling::{Api, Role};

use super::{NODES, TIMEOUT};
use crate::{
    AllowedOrigins, Asker, ByNetwork, Candidates, Claim, Lookup, LookupError, ManagerFault, Origin,
    Source,
};

/// What the manager does at present.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mood {
    pub(super) faults: bool,
    /// It has no node for any client.
    pub(super) nobody: bool,
    pub(super) delay: Duration,
}

/// An answer that was given: its nodes' addresses hold its number.
pub(super) struct Given {
    pub(super) lookup: Lookup,
    pub(super) asked: Instant,
    pub(super) answered_at: Instant,
    pub(super) sessions: usize,
}

/// A "no" that was given: its words are its number.
pub(super) struct Refused {
    pub(super) lookup: Lookup,
    pub(super) asked: Instant,
    pub(super) answered_at: Instant,
}

/// A manager that keeps a record of everything.
pub(super) struct Manager {
    pub(super) gate: AllowedOrigins,
    pub(super) book: Mutex<Book>,
}

#[derive(Default)]
pub(super) struct Book {
    pub(super) mood: Mood,
    pub(super) given: Vec<Given>,
    pub(super) refused: Vec<Refused>,
    /// Callers of each publish, and of the wider question behind it.
    pub(super) publishes_called: HashMap<Lookup, usize>,
    pub(super) publishes_asked: HashMap<Lookup, usize>,
    /// When each lookup was last answered with a fault.
    pub(super) faults: HashMap<Lookup, Instant>,
    pub(super) under_way: HashMap<Lookup, usize>,
    pub(super) most_at_once: HashMap<Role, usize>,
    pub(super) probes: Vec<Instant>,
}

impl Manager {
    pub(super) fn book<T>(&self, look: impl FnOnce(&mut Book) -> T) -> T {
        look(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn answer(&self, lookup: &Lookup) -> Result<Candidates, LookupError> {
        let (mood, asked) = (self.book(|book| book.mood), Instant::now());
        sleep(mood.delay.min(TIMEOUT)).await;
        let now = Instant::now();
        if mood.faults || mood.delay > TIMEOUT {
            self.book(|book| book.faults.insert(lookup.clone(), now));
            return Err(ManagerFault::Unreachable(crate::Cause::Refused).into());
        }
        if mood.nobody {
            let number = self.book(|book| {
                book.refused.push(Refused {
                    lookup: lookup.clone(),
                    asked,
                    answered_at: now,
                });
                book.refused.len() - 1
            });
            return Err(LookupError::NotFound(Some(number.to_string().into())));
        }
        let number = self.book(|book| {
            book.given.push(Given {
                lookup: lookup.clone(),
                asked,
                answered_at: now,
                sessions: 0,
            });
            book.given.len() - 1
        });
        let mut nodes = Vec::new();
        for node in 0..NODES {
            let address = address(number, node).to_string();
            nodes.push(self.gate.admit(Claim::Manager(&address)).await.unwrap());
        }
        Candidates::new(nodes).ok_or(LookupError::NotFound(None))
    }
}

fn address(number: usize, node: usize) -> IpAddr {
    let [.., high, low] = u32::try_from(number).unwrap().to_be_bytes();
    Ipv4Addr::new(10, high, low, u8::try_from(node).unwrap()).into()
}

pub(super) fn number(origin: &Origin) -> usize {
    let IpAddr::V4(address) = origin.named() else {
        panic!("{origin}")
    };
    let [_, high, low, _] = address.octets();
    usize::from(high) * 256 + usize::from(low)
}

impl Source for Manager {
    fn ask<'a>(
        &'a self,
        lookup: &'a Lookup,
        asker: Asker,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(async move {
            let network = ByNetwork::Auto.network(Api::V2, asker);
            let fits = lookup.network().is_none() || lookup.network() == network;
            assert!(fits, "asked for {asker:?}: {lookup:?}");
            self.book(|book| book.begins(lookup));
            let answer = self.answer(lookup).await;
            self.book(|book| book.ends(lookup));
            answer
        })
    }
}

impl Book {
    pub(super) fn calls(&mut self, lookup: &Lookup) {
        for lookup in lookup.wider().iter().chain([lookup]) {
            if lookup.role == Role::Publish {
                *self.publishes_called.entry(lookup.clone()).or_default() += 1;
            }
        }
    }

    fn begins(&mut self, lookup: &Lookup) {
        if lookup.key.name() == "whipstitch-probe" {
            self.probes.push(Instant::now());
            return;
        }
        if lookup.role == Role::Publish {
            *self.publishes_asked.entry(lookup.clone()).or_default() += 1;
        }
        let at_once = self.under_way.entry(lookup.clone()).or_default();
        *at_once += 1;
        self.most_at_once
            .entry(lookup.role)
            .and_modify(|most| *most = (*most).max(*at_once))
            .or_insert(*at_once);
    }

    fn ends(&mut self, lookup: &Lookup) {
        if let Some(at_once) = self.under_way.get_mut(lookup) {
            *at_once -= 1;
        }
    }
}
