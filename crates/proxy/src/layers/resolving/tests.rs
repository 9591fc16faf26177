use std::sync::atomic::{AtomicUsize, Ordering};

use whipstitch_signaling::{handle::Handle, socket::SocketQuery};

use whipstitch_origin::{Asker, Origin};

use super::*;
use crate::{
    request::clock::WallClock,
    sessions::view::{About, Http},
};
use whipstitch_origin::LookupError;

/// Names a node to the gate whenever it is asked, and counts.
struct Naming {
    gate: Arc<AllowedOrigins>,
    asked: AtomicUsize,
}

impl Directory for Naming {
    fn locate<'a>(
        &'a self,
        lookup: &'a Lookup,
        _: Asker,
        purpose: Purpose,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(async move {
            assert_eq!((lookup.role, purpose), (Role::Publish, Purpose::Inquiry));
            let wants = lookup.hints.as_str();
            let own = [
                "region=r&strict=true",
                "region=r&transcode=true",
                "endpoints=16",
            ];
            assert!(
                wants == "endpoints=16&region=r" || own.contains(&wants),
                "{wants}"
            );
            self.asked.fetch_add(1, Ordering::SeqCst);
            let named = self.gate.admit(Claim::Manager("10.0.0.7")).await;
            Candidates::new(named.into_iter().collect()).ok_or(LookupError::NotFound(None))
        })
    }

    fn forget(&self, _: &Lookup) {}
    fn ended(&self, _: &StreamKey) {}
    fn published(&self, _: &StreamKey) {}

    fn report(&self, _: &Origin, _: whipstitch_origin::Outcome) {}
}

fn gate() -> Arc<AllowedOrigins> {
    let nodes = whipstitch_origin::config::Nodes::default();
    let metrics = whipstitch_origin::Metrics::default();
    Arc::new(AllowedOrigins::new(&nodes, metrics))
}

fn resolver(directory: Arc<Naming>, allowed: Arc<AllowedOrigins>) -> Resolver {
    let clock = WallClock::default();
    Resolver {
        api: Api::V1,
        by_network: ByNetwork::Auto,
        directory,
        allowed,
        keys: watch::channel(Arc::new(SessionKeys::random().unwrap())).1,
        sessions: SessionTable::new(100, true, Duration::from_hours(1), clock),
        lifetime: Duration::from_hours(1),
        budget: Duration::from_secs(6),
        connect: Duration::from_secs(2),
    }
}

/// A resolver for requests that need no node.
pub(in crate::layers) fn unasked_resolver() -> Arc<Resolver> {
    let naming = Naming {
        gate: gate(),
        asked: AtomicUsize::new(0),
    };
    Arc::new(resolver(Arc::new(naming), gate()))
}

/// Whether a socket to this host is let through, and how often the manager was asked.
async fn admitted(host: &str, id: &str) -> (bool, usize) {
    let gate = gate();
    let named_to = gate.clone();
    admitted_by(gate, named_to, host, id).await
}

async fn admitted_by(
    gate: Arc<AllowedOrigins>,
    named_to: Arc<AllowedOrigins>,
    host: &str,
    id: &str,
) -> (bool, usize) {
    let directory = Arc::new(Naming {
        gate: named_to,
        asked: AtomicUsize::new(0),
    });
    let resolver = resolver(directory.clone(), gate);
    let (id, hint) = id.split_once('&').unwrap_or((id, ""));
    let raw = format!("id={id}&region=r&{hint}&host={host}&app=live");
    let query = SocketQuery::parse(&raw).unwrap();
    let exchange = Exchange::begin(&http::HeaderMap::new(), None);
    let mut budget = Budget::new(resolver.budget, resolver.connect);
    let decided = resolver
        .socket_to(&query.node, Some(&raw), &mut budget, &exchange)
        .await;
    (decided.is_ok(), directory.asked.load(Ordering::SeqCst))
}

#[tokio::test]
async fn the_manager_vouches_for_the_node_of_the_clients_own_stream() {
    assert_eq!(admitted("10.0.0.7", "s1").await, (true, 1));
    for other in ["10.0.0.8", "127.0.0.1", "169.254.169.254"] {
        assert_eq!(admitted(other, "s1").await, (false, 1), "{other}");
        assert_eq!(admitted(other, "subscriber-1b31").await, (false, 0));
    }
    assert_eq!(admitted("10.0.0.7", "subscriber-1b31").await, (false, 0));
    assert_eq!(admitted("10.0.0.7:80", "s1").await, (false, 0));
}

#[tokio::test]
async fn the_question_that_vouches_adds_no_endpoints_to_what_fixes_their_number() {
    for hint in ["strict=true", "transcode=true"] {
        assert_eq!(admitted("10.0.0.7", &format!("s1&{hint}")).await, (true, 1));
    }
}

#[tokio::test]
async fn an_answer_that_is_remembered_vouches_as_well() {
    // Such an answer is not named to the gate again.
    let by = |host| admitted_by(gate(), gate(), host, "s1");
    assert_eq!(by("10.0.0.7").await, (true, 1));
    assert_eq!(by("::ffff:10.0.0.7").await, (true, 1));
    for other in ["10.0.0.8", "127.0.0.1", "::a00:7"] {
        assert_eq!(by(other).await, (false, 1), "{other}");
    }
}

#[test]
fn a_sessions_own_query_stays_and_the_clients_is_added() {
    let with = |resource: &'static str, added| {
        with_query(PathAndQuery::from_static(resource), added)
            .unwrap()
            .to_string()
    };
    assert_eq!(with("/a?requestId=x", None), "/a?requestId=x");
    assert_eq!(
        with("/a?requestId=x", Some("y=%20z")),
        "/a?requestId=x&y=%20z"
    );
    assert_eq!(
        with(
            "/a?requestId=x",
            Some("requestId=y&request%49d=y&host=10.0.0.1&%zz=1")
        ),
        "/a?requestId=x"
    );
    assert_eq!(with("/a", Some("")), "/a");
    assert_eq!(with("/a", Some("host=10.0.0.1")), "/a");
    assert_eq!(with("/a", Some("x=y&host=10.0.0.1")), "/a?x=y");
}

#[test]
fn a_node_hears_its_own_urls_whatever_the_client_wrote() {
    let key = StreamKey::new("live/room", "s1").unwrap();
    let at_node = |uri: &'static str| {
        let uri = Uri::from_static(uri);
        let target = target(Form::Guid, Role::Publish, &key, &uri).unwrap();
        target.to_string()
    };
    let endpoint = "/live/room/whip/endpoint/s1";
    assert_eq!(at_node("/as/v1/proxy/whip/live/room/s1"), endpoint);
    assert_eq!(
        at_node("/as/v1/proxy/whip/live/room/s1/?host=10.0.0.1&nodeGroup=default"),
        endpoint
    );
    assert_eq!(
        at_node("/as/v1/proxy/whip/live/room/s1?nodeGroup=x&token=a%2Fb=c&region=eu"),
        format!("{endpoint}?token=a%2Fb=c&region=eu")
    );
}

#[tokio::test]
async fn a_handle_leads_somewhere_for_five_minutes() {
    let (gate, named_to) = (gate(), gate());
    let directory = Arc::new(Naming {
        gate: named_to,
        asked: AtomicUsize::new(0),
    });
    let resolver = resolver(directory, gate);
    let key = StreamKey::new("live", "s1").unwrap();
    let lookup = named::bare(Role::Publish, &key);
    let exchange = Exchange::begin(&http::HeaderMap::new(), None);
    for (minutes, leads) in [(0, true), (4, true), (6, false), (-4, true), (-6, false)] {
        let handle = Handle {
            node: "10.0.0.5".parse().unwrap(),
            issued_at: resolver
                .sessions
                .clock()
                .now()
                .saturating_add_signed(minutes * -60_000),
        };
        let keys = resolver.keys.borrow().clone();
        let sealed = keys.seal_handle(Role::Publish, &key, handle).unwrap();
        let mut budget = Budget::new(resolver.budget, resolver.connect);
        let raw = format!("host={sealed}");
        let named = resolver
            .named(&lookup, Some(&raw), &mut budget, &exchange)
            .await
            .unwrap();
        assert_eq!(named.is_some(), leads, "{minutes}");
    }
}

/// A token's session, by the wall clock of the replica that made it.
fn session(issued_at: u64) -> Session {
    Session {
        node: "10.0.0.5".parse().unwrap(),
        resource: PathAndQuery::from_static("/live/whip/resource/s1"),
        issued_at,
        tag: whipstitch_signaling::tag::Tag::None,
        owner: None,
    }
}

#[tokio::test]
async fn a_session_of_ours_outlives_any_step_of_the_clock_and_anothers_has_its_lifetime_and_the_skew()
 {
    let gate = gate();
    let directory = Arc::new(Naming {
        gate: gate.clone(),
        asked: AtomicUsize::new(0),
    });
    let resolver = resolver(directory, gate.clone());
    let exchange = Exchange::begin(&http::HeaderMap::new(), None);
    let origin = gate.admit(Claim::Manager("10.0.0.5")).await.unwrap();
    let (role, key) = (Role::Publish, StreamKey::new("live", "s1").unwrap());
    let ours = session(resolver.sessions.clock().now());
    let about = About::new(&exchange, &origin, "live");
    let http = Http {
        origin,
        role,
        key,
        sealed: ours.clone(),
        client: None,
    };
    resolver.sessions.open(about, http);
    for step in [-60_000, 60_000, -7_200_000, 14_400_000, i64::from(i32::MAX)] {
        resolver.sessions.clock().step(step);
        assert_eq!(resolver.is_current(role, &ours), Ok(()), "{step}");
    }
    resolver
        .sessions
        .clock()
        .step(-i64::from(i32::MAX) - 7_200_000);
    let elsewhere = |ago: i64| {
        let mut session = session(resolver.sessions.clock().now().saturating_add_signed(-ago));
        session.resource = PathAndQuery::from_static("/live/whip/resource/s2");
        resolver.is_current(role, &session)
    };
    assert_eq!(elsewhere(3_600_000 + 29_000), Ok(()));
    assert_eq!(elsewhere(3_600_000 + 31_000), Err(NoSession::Expired));
    assert_eq!(elsewhere(-3_600_000), Ok(()), "from the future");
}

#[tokio::test]
async fn where_a_url_without_a_token_means_no_session_the_manager_is_not_asked() {
    for by_client in [false, true] {
        let directory = Arc::new(Naming {
            gate: gate(),
            asked: AtomicUsize::new(0),
        });
        let clock = WallClock::default();
        let sessions = SessionTable::new(100, by_client, Duration::from_hours(1), clock);
        let resolver = Resolver {
            sessions,
            ..resolver(directory.clone(), gate())
        };
        let target = "/live/whip/resource/s1?region=r&host=10.0.0.7";
        let peer = crate::Peer::new("192.0.2.1:1000".parse().unwrap(), true);
        let asked = Signaling {
            ask: Ask::Session {
                role: Role::Publish,
                key: StreamKey::new("live", "s1").unwrap(),
                token: None,
            },
            request: http::Request::delete(target).body(Bytes::new()).unwrap(),
            host: http::uri::Authority::from_static("a"),
            exchange: Exchange::begin(&http::HeaderMap::new(), Some(peer)),
        };
        assert!(resolver.signaling(asked).await.is_err());
        let asked = directory.asked.load(Ordering::SeqCst);
        assert_eq!(asked, usize::from(by_client));
    }
}
