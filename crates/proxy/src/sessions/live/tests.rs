use std::mem::size_of;

use http::{HeaderMap, uri::PathAndQuery};
use whipstitch_origin::{AllowedOrigins, Claim, Metrics, Origin, config::Nodes};

use whipstitch_signaling::tag::Tag;

use super::*;
use crate::{Exchange, Peer};

async fn origin() -> Origin {
    let nodes = Nodes {
        allow: vec!["10.0.0.0/8".parse().unwrap()],
        ..Nodes::default()
    };
    let allowed = AllowedOrigins::new(&nodes, Metrics::default());
    allowed.admit(Claim::client("10.0.0.1")).await.unwrap()
}

fn exchange(agent: &str) -> Exchange {
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", agent.parse().unwrap());
    let peer = Peer::new("192.0.2.1:4000".parse().unwrap(), true);
    Exchange::begin(&headers, Some(peer))
}

fn key() -> StreamKey {
    StreamKey::new("live/room", "s1").unwrap()
}

fn sealed(resource: &'static str, issued_at: u64) -> Sealed {
    Sealed {
        node: [10, 0, 0, 1].into(),
        resource: PathAndQuery::from_static(resource),
        issued_at,
        tag: Tag::None,
    }
}

fn began(live: &Live, origin: &Origin, role: Role, sealed: &Sealed) {
    let about = About::new(&exchange("page"), origin, key().scope());
    live.began(role, about, origin.clone(), &key(), sealed);
}

fn live() -> Live {
    Live::new(Duration::from_hours(1))
}

#[tokio::test]
async fn a_socket_is_there_as_long_as_its_guard_and_tells_what_it_carries() {
    let (live, origin) = (live(), origin().await);
    let agent = format!("an agent {}", "x".repeat(10_000));
    let about = About::new(&exchange(&agent), &origin, "live");
    let end = CancellationToken::new();
    let socket = live.socket(about, end.clone());
    socket.session().traffic().passed(10, 20);
    let [seen] = &live.all()[..] else {
        panic!("not one session")
    };
    assert_eq!((seen.kind(), seen.bytes()), (Kind::Socket, Some((10, 20))));
    assert_eq!((seen.scope(), seen.stream()), ("live", None));
    assert_eq!(seen.node(), "10.0.0.1:5080".parse().unwrap());
    assert_eq!(seen.agent().map(str::len), Some(128));
    assert!(seen.is_secure() && seen.last_activity() >= seen.began());
    assert_eq!(live.count().sockets, 1);
    assert_eq!(live.by_node()[&origin.named()], 1);
    let id: SessionId = seen.id().to_string().parse().unwrap();
    assert_eq!(live.get(id).map(|found| found.id()), Some(seen.id()));
    drop(socket);
    assert!(live.get(id).is_none());
    assert_eq!(live.count(), Count::default());
}

#[tokio::test]
async fn an_http_session_ends_with_its_delete_and_a_publisher_with_the_next_one() {
    let (live, origin) = (live(), origin().await);
    let (first, second) = (sealed("/a", 1), sealed("/a", 2));
    for role in [Role::Publish, Role::Play] {
        began(&live, &origin, role, &first);
        began(&live, &origin, role, &second);
    }
    // Two players may share a place; two publishers cannot.
    assert_eq!(live.count().http, 3);
    live.ended(Role::Play, &first, End::Deleted);
    let kinds: Vec<_> = live.all().iter().map(|seen| seen.kind()).collect();
    assert_eq!(kinds, [Kind::Whip, Kind::Whep]);
    assert_eq!(live.all()[0].bytes(), None);
    assert_eq!(live.all()[0].scope(), "live/room");
    live.ended(Role::Publish, &second, End::Deleted);
    live.ended(Role::Play, &second, End::Deleted);
    live.ended(Role::Play, &second, End::Deleted);
    assert_eq!(live.count(), Count::default());
    assert!(live.all().is_empty());
}

#[tokio::test]
async fn what_is_told_of_an_old_session_does_not_concern_the_newer_one_at_its_place() {
    let (live, origin) = (live(), origin().await);
    let (old, new) = (sealed("/a", 1), sealed("/a", 2));
    began(&live, &origin, Role::Publish, &old);
    began(&live, &origin, Role::Publish, &new);
    live.heard(Role::Publish, &old);
    assert!(live.is_silent(Role::Publish, &new) && !live.is_silent(Role::Publish, &old));
    live.ended(Role::Publish, &old, End::Deleted);
    assert_eq!(live.count().http, 1);
    assert!(live.has_ended(&old) && !live.has_ended(&new));
    live.heard(Role::Publish, &new);
    assert!(!live.is_silent(Role::Publish, &new));
    live.ended(Role::Publish, &new, End::Deleted);
    assert_eq!(live.count().http, 0);
}

#[tokio::test]
async fn there_is_an_end_to_what_is_remembered_of_http() {
    let (live, origin) = (live(), origin().await);
    let most = u64::try_from(super::remembered::MAX).unwrap();
    for number in 0..most + 5 {
        began(&live, &origin, Role::Play, &sealed("/a", number));
    }
    let count = live.count();
    assert_eq!((count.http as u64, count.forgotten), (most, 5));
    live.ended(Role::Play, &sealed("/a", 2), End::Deleted);
    assert_eq!(live.count().http as u64, most, "the oldest went first");
    live.ended(Role::Play, &sealed("/a", 5), End::Deleted);
    assert_eq!(live.count().http as u64, most - 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_url_is_over_is_over() {
    let (live, origin) = (live(), origin().await);
    began(&live, &origin, Role::Play, &sealed("/a", 1));
    tokio::time::advance(Duration::from_mins(30)).await;
    began(&live, &origin, Role::Play, &sealed("/a", 2));
    tokio::time::advance(Duration::from_mins(30)).await;
    live.sample(Duration::from_secs(5));
    assert_eq!(live.count().http, 1);
    live.ended(Role::Play, &sealed("/a", 2), End::Deleted);
    assert_eq!(live.count().http, 0);
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_that_of_the_last_sample() {
    let (live, origin) = (live(), origin().await);
    let about = About::new(&exchange("a"), &origin, "live");
    let socket = live.socket(about, CancellationToken::new());
    let traffic = socket.session().traffic();
    tokio::time::advance(Duration::from_secs(2)).await;
    traffic.passed(1_000, 3_000);
    assert_eq!(socket.session().rate(), Some(2_000), "before any sample");
    live.sample(Duration::from_secs(5));
    assert_eq!(
        socket.session().rate(),
        Some(2_000),
        "younger than the sample"
    );
    tokio::time::advance(Duration::from_secs(5)).await;
    traffic.passed(1_500, 3_500);
    live.sample(Duration::from_secs(5));
    assert_eq!(socket.session().rate(), Some(200));
    tokio::time::advance(Duration::from_secs(5)).await;
    live.sample(Duration::from_secs(5));
    assert_eq!(socket.session().rate(), Some(0));
    assert_eq!(
        socket.session().age(),
        traffic.last() + Duration::from_secs(5)
    );
}

#[test]
fn what_is_no_id_is_none() {
    for text in ["", "+1", "-1", "xyz", "1 ", "11112222333344445", "é"] {
        assert!(text.parse::<SessionId>().is_err(), "{text:?}");
    }
}

#[test]
fn a_session_takes_little() {
    assert!(
        size_of::<LiveSession>() <= 512,
        "{}",
        size_of::<LiveSession>()
    );
}
