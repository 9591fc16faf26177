use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use tracing::{
    Event, Metadata, Subscriber,
    field::Visit,
    span::{Attributes, Id, Record},
    subscriber::{Interest, set_default, with_default},
};
use whipstitch_origin::{AllowedOrigins, Claim, Metrics, Origin, config::Nodes};
use whipstitch_signaling::{Role, StreamKey, session::Session, tag::Tag};

use super::*;
use crate::{
    EndReason, Exchange, SessionTable,
    clock::WallClock,
    layers::observe::written,
    sessions::{
        end_log,
        view::{About, Http},
    },
};

/// Keeps the names of the fields that an event can have, and why a session ended.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<Line>>>, Arc<Mutex<Reasons>>);

/// The target of a line, and the names of its fields.
type Line = (String, Vec<&'static str>);

/// How many lines had this `reason`.
#[derive(Default)]
struct Reasons(BTreeMap<String, usize>);

impl Visit for Reasons {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        if field.name() == "reason" {
            *self.0.entry(value.to_owned()).or_default() += 1;
        }
    }

    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn fmt::Debug) {}
}

impl Subscriber for Names {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let names = metadata.fields().iter().map(|field| field.name());
        let names = names.filter(|name| *name != "message").collect();
        event.record(&mut *self.1.lock().unwrap());
        self.0
            .lock()
            .unwrap()
            .push((metadata.target().to_owned(), names));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Writes lines before there is a subscriber. A line that is first written by the thread of another
/// test, which has no subscriber, would stay disabled while there is one subscriber: tracing asks
/// that thread alone.
fn met(write: impl Fn()) {
    write();
}

async fn origin() -> Origin {
    let nodes = Nodes {
        allow: vec!["10.0.0.0/8".parse().unwrap()],
        ..Nodes::default()
    };
    let allowed = AllowedOrigins::new(&nodes, Metrics::default());
    allowed.admit(Claim::client("10.0.0.1")).await.unwrap()
}

#[tokio::test]
async fn the_tables_hold_what_is_written() {
    let origin = origin().await;
    let exchange = Exchange::begin(&http::HeaderMap::new(), None);
    let table = SessionTable::new(9, true, Duration::from_hours(1), WallClock::default());
    let about = About::new(&exchange, &origin, "live");
    let socket = table.open_socket(about, tokio_util::sync::CancellationToken::new());

    let names = Names::default();
    let write = || {
        written(&exchange);
        end_log::log(socket.session(), EndReason::Drain, None);
    };
    met(write);
    with_default(names.clone(), write);
    let lines = names.0.lock().unwrap().clone();
    let table = |fields: &[Field]| fields.iter().map(|field| field.name).collect::<Vec<_>>();
    assert_eq!(
        lines,
        [
            ("access".to_owned(), table(ACCESS)),
            ("session".to_owned(), table(SESSION))
        ]
    );
}

/// However it leaves the table.
#[tokio::test(start_paused = true)]
async fn every_session_that_was_made_has_one_line_in_the_end() {
    const LIFE: Duration = Duration::from_hours(1);
    const MANY: u64 = 203;
    let table = SessionTable::new(200, true, LIFE, WallClock::default());
    let origin = origin().await;
    let key = StreamKey::new("live", "s1").unwrap();
    let exchange = Exchange::begin(&http::HeaderMap::new(), None);
    let sealed = |place: u64| Session {
        node: origin.named(),
        resource: format!("/live/whip/resource/{place}").parse().unwrap(),
        issued_at: 1,
        tag: Tag::None,
        owner: None,
    };
    let began = |place: u64| {
        let about = About::new(&exchange, &origin, "live");
        let http = Http {
            origin: origin.clone(),
            role: Role::Publish,
            key: key.clone(),
            sealed: sealed(place),
            client: None,
        };
        table.open(about, http);
    };
    let names = Names::default();
    met(|| {
        let about = About::new(&exchange, &origin, "live");
        let socket = table.open_socket(about, tokio_util::sync::CancellationToken::new());
        end_log::log(socket.session(), EndReason::Drain, None);
    });
    let _heard = set_default(names.clone());
    // Three too many; the last one is opened again.
    (0..MANY).for_each(began);
    began(MANY - 1);
    for _ in 0..2 {
        table.close(Role::Publish, &sealed(9), EndReason::Deleted);
        table.close(Role::Publish, &sealed(8), EndReason::Abandoned);
    }
    tokio::time::advance(LIFE).await;
    table.sample(LIFE);
    table.sample(LIFE);
    let reasons = std::mem::take(&mut names.1.lock().unwrap().0);
    let reasons: Vec<_> = reasons
        .iter()
        .map(|(why, count)| (&**why, *count))
        .collect();
    assert_eq!(
        reasons,
        [
            ("abandoned", 1),
            ("deleted", 1),
            ("expired", 198),
            ("forgotten", 3),
            ("replaced", 1),
        ]
    );
}
