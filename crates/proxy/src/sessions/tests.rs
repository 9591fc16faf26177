//! The table, on a paused clock where time matters.

use std::{collections::HashSet, mem::size_of, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, uri::PathAndQuery};
use tokio::{task::JoinSet, time::advance};
use tokio_util::sync::CancellationToken;
use whipstitch_origin::{AllowedOrigins, Claim, Found, Metrics, Origin, config::Nodes};
use whipstitch_signaling::{Role, StreamKey, session::Session, tag::Tag};

use super::{
    client::Clients,
    counter_offer::Kinds,
    slot::{Number, Slot, SlotEntry, Target},
    vanished::{self, Presence},
    view::{About, Http},
    *,
};
use crate::{
    EndReason, Exchange, Peer,
    request::{client_key::ClientKey, clock::WallClock},
};

const HOUR: Duration = Duration::from_hours(1);
const HERE: &str = "/live/whip/resource/s1";

/// A table, its clock and a node.
struct Scene {
    table: SessionTable,
    clock: WallClock,
    origin: Origin,
}

impl Scene {
    async fn new(capacity: usize) -> Self {
        let nodes = Nodes {
            allow: vec!["10.0.0.0/8".parse().unwrap()],
            ..Nodes::default()
        };
        let allowed = AllowedOrigins::new(&nodes, Metrics::default());
        let clock = WallClock::default();
        Self {
            table: SessionTable::new(capacity, true, HOUR, clock.clone()),
            clock,
            origin: allowed.admit(Claim::client("10.0.0.1")).await.unwrap(),
        }
    }

    fn open(&self, role: Role, sealed: &Session) -> Arc<SessionView> {
        self.open_of(role, sealed, None)
    }

    fn open_of(&self, role: Role, sealed: &Session, client: Option<ClientKey>) -> Arc<SessionView> {
        let about = About::new(&exchange("page"), &self.origin, key().scope());
        let http = Http {
            origin: self.origin.clone(),
            role,
            key: key(),
            sealed: sealed.clone(),
            client,
        };
        self.table.open(about, http)
    }

    fn standing(&self, issued_at: u64) -> Standing {
        let session = sealed(HERE, issued_at);
        self.table.standing(Role::Publish, &session)
    }
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

fn client(role: Role) -> ClientKey {
    let request = http::Request::get("/x?requestId=a").body(()).unwrap();
    ClientKey::of(role, &key(), &request, &exchange("page")).unwrap()
}

fn sealed(resource: &'static str, issued_at: u64) -> Session {
    Session {
        node: [10, 0, 0, 1].into(),
        resource: PathAndQuery::from_static(resource),
        issued_at,
        tag: Tag::None,
        owner: None,
    }
}

#[tokio::test]
async fn a_socket_is_in_the_table_as_long_as_its_guard() {
    let scene = Scene::new(10).await;
    let agent = format!("an agent {}", "x".repeat(10_000));
    let about = About::new(&exchange(&agent), &scene.origin, "live");
    let socket = scene.table.open_socket(about, CancellationToken::new());
    socket.session().traffic().passed(10, 20);
    let [seen] = &scene.table.all()[..] else {
        panic!("not one session")
    };
    let expected = (SessionKind::Socket, Some((10, 20)));
    assert_eq!((seen.kind(), seen.bytes()), expected);
    assert_eq!((seen.scope(), seen.stream()), ("live", None));
    assert_eq!(seen.node(), "10.0.0.1:5080".parse().unwrap());
    assert_eq!(seen.agent().map(str::len), Some(128));
    assert!(seen.is_secure() && seen.last_activity() >= seen.began());
    assert_eq!(scene.table.count().sockets, 1);
    assert_eq!(scene.table.by_node()[&scene.origin.named()], 1);
    let id: SessionId = seen.id().to_string().parse().unwrap();
    let found = scene.table.get(id).map(|found| found.id());
    assert_eq!(found, Some(seen.id()));
    drop(socket);
    assert!(scene.table.get(id).is_none());
    assert_eq!(scene.table.count(), Count::default());
}

#[tokio::test]
async fn a_session_ends_with_its_delete_or_with_the_next_one_at_its_slot() {
    let scene = Scene::new(10).await;
    let (first, second) = (sealed("/a", 1), sealed("/a", 2));
    for role in [Role::Publish, Role::Play] {
        scene.open(role, &first);
        scene.open(role, &second);
    }
    let close = |role, session| scene.table.close(role, session, EndReason::Deleted);
    // Players without a `requestId` share the path and have a slot each.
    assert_eq!(scene.table.count().http, 3);
    assert!(close(Role::Play, &first) && !close(Role::Publish, &first));
    let all = scene.table.all();
    assert_eq!(
        (all.len(), all[0].bytes(), all[0].scope()),
        (2, None, "live/room")
    );
    assert!(close(Role::Publish, &second) && close(Role::Play, &second));
    assert!(!close(Role::Play, &second));
    assert_eq!(scene.table.count(), Count::default());

    for issued_at in [1, 2] {
        let player = sealed("/a?requestId=b", issued_at);
        scene.open(Role::Play, &player);
    }
    assert_eq!(scene.table.count().http, 1, "one `requestId`, one session");
}

#[tokio::test]
async fn a_request_for_an_old_session_does_not_concern_the_newer_one_at_its_slot() {
    let scene = Scene::new(10).await;
    let (old, new) = (sealed(HERE, 1), sealed(HERE, 2));
    scene.open(Role::Publish, &old);
    let newer = scene.open(Role::Publish, &new);
    scene.table.heard_of(Role::Publish, &old);
    assert!(newer.traffic().is_silent());
    assert!(!scene.table.close(Role::Publish, &old, EndReason::Deleted));
    assert_eq!(scene.table.count().http, 1);
    let has_ended = |session| scene.table.has_ended(Role::Publish, session);
    assert!(has_ended(&old) && !has_ended(&new));
    scene.table.heard_of(Role::Publish, &new);
    assert!(!newer.traffic().is_silent());
    assert!(scene.table.close(Role::Publish, &new, EndReason::Deleted));
    assert_eq!(scene.standing(2), Standing::Ended);
    assert_eq!(scene.standing(1), Standing::Superseded);
}

#[tokio::test]
async fn the_table_is_bounded_and_the_closed_and_the_oldest_leave_first() {
    let scene = Scene::new(100).await;
    let player = |number| sealed("/a", number);
    for number in 0..100 {
        scene.open(Role::Play, &player(number));
    }
    scene
        .table
        .close(Role::Play, &player(50), EndReason::Deleted);
    for number in 100..105 {
        scene.open(Role::Play, &player(number));
    }
    let count = scene.table.count();
    assert_eq!((count.http, count.forgotten), (100, 4));
    let standing = |number| scene.table.standing(Role::Play, &player(number));
    for (number, expected) in [
        (3, Standing::Unknown),
        (4, Standing::Open),
        (50, Standing::Unknown),
        (104, Standing::Open),
    ] {
        assert_eq!(standing(number), expected, "{number}");
    }
    scene.table.resize(10);
    scene.open(Role::Play, &player(200));
    assert_eq!(scene.table.count().http, 10);
}

#[tokio::test]
async fn players_that_never_say_goodbye_drive_no_publisher_out() {
    let scene = Scene::new(10).await;
    let publisher = client(Role::Publish);
    scene.open_of(Role::Publish, &sealed(HERE, 1), Some(publisher.clone()));
    for number in 0..1_000 {
        scene.open(Role::Play, &sealed("/a", number));
    }
    assert_eq!(scene.standing(1), Standing::Open);
    let meant = scene.table.only_of(&publisher, None);
    assert_eq!(meant.map(|session| session.issued_at), Some(1));
    let count = scene.table.count();
    assert_eq!((count.http, count.forgotten), (10, 991));
}

#[tokio::test]
async fn of_the_closed_the_one_that_was_closed_first_leaves_first() {
    let scene = Scene::new(3).await;
    let player = |number| sealed("/a", number);
    for number in 0..3 {
        scene.open(Role::Play, &player(number));
    }
    for number in [2, 0] {
        let over = (player(number), EndReason::Deleted);
        scene.table.close(Role::Play, &over.0, over.1);
    }
    scene.open(Role::Play, &player(3));
    let standing = |number| scene.table.standing(Role::Play, &player(number));
    assert_eq!(
        (standing(0), standing(2)),
        (Standing::Ended, Standing::Unknown)
    );
}

#[tokio::test]
async fn a_session_that_others_say_is_over_does_not_make_the_open_one_ambiguous() {
    let scene = Scene::new(10).await;
    let client = client(Role::Play);
    let at = |number| sealed("/a", number);
    let only = || Some(scene.table.only_of(&client, None)?.issued_at);
    for number in [1, 2] {
        scene.open_of(Role::Play, &at(number), Some(client.clone()));
    }
    assert_eq!(only(), None);
    scene.table.lose(Role::Play, &at(1), EndReason::Gone);
    assert_eq!(only(), Some(2));
    scene.table.lose(Role::Play, &at(2), EndReason::Gone);
    assert_eq!(only(), None, "two that linger");
    scene.table.close(Role::Play, &at(2), EndReason::Deleted);
    assert_eq!(only(), Some(1), "its client may still mean it");
}

#[tokio::test(start_paused = true)]
async fn a_session_expires_with_its_url() {
    let scene = Scene::new(10).await;
    scene.open(Role::Play, &sealed("/a", 1));
    advance(HOUR / 2).await;
    scene.open(Role::Play, &sealed("/a", 2));
    advance(HOUR / 2).await;
    let standing = |at| scene.table.standing(Role::Play, &sealed("/a", at));
    assert_eq!(
        standing(1),
        Standing::Unknown,
        "before the next sample, too"
    );
    scene.table.sample(Duration::from_secs(5));
    assert_eq!(scene.table.count().http, 1);
    assert_eq!(standing(2), Standing::Open);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_two_looks_miss_has_vanished() {
    const GRACE: Duration = Duration::from_secs(30);
    let scene = Scene::new(10).await;
    let session = scene.open(Role::Publish, &sealed(HERE, 1));
    scene.open(Role::Play, &sealed("/a", 1));
    let look = |is_listed: bool| {
        let presence = if is_listed {
            Presence::Present
        } else {
            Presence::Missing
        };
        scene.table.look(GRACE, |_| presence).len()
    };
    assert_eq!((look(false), look(false)), (0, 0), "just created");
    advance(GRACE).await;
    assert_eq!((look(false), look(true), look(false)), (0, 0, 0));
    let unknown = |_: &SessionView| Presence::Unknown;
    assert!(scene.table.look(GRACE, unknown).is_empty());
    assert_eq!((look(false), look(false)), (1, 0));
    assert_eq!(scene.table.count().http, 1);
    // It may be a mistake: what the client sends is served.
    assert_eq!(scene.standing(1), Standing::Unknown);
    assert!(!scene.table.vanished(&session));
    scene.table.reopen(Role::Publish, &sealed(HERE, 1));
    assert_eq!(scene.standing(1), Standing::Open);
    assert_eq!(scene.table.count().http, 2);
    assert!(scene.table.all().iter().any(|one| one.id() == session.id()));
    assert_eq!((look(false), look(false)), (0, 1), "two more looks");
    // What the node said is not doubted.
    let gone = EndReason::Gone;
    scene.table.lose(Role::Publish, &sealed(HERE, 1), gone);
    scene.table.reopen(Role::Publish, &sealed(HERE, 1));
    assert_eq!(scene.standing(1), Standing::Ended);
}

#[tokio::test]
async fn a_publisher_that_came_again_at_another_node_has_vanished_from_its_first() {
    let mut scene = Scene::new(10).await;
    let old = scene.open(Role::Publish, &sealed("/old", 1));
    let presence = |found, open: &[Arc<SessionView>]| vanished::presence(found, &old, open);
    let (here, there) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let nodes = |all: &[IpAddr]| all.iter().copied().collect::<HashSet<_>>();
    let moved = nodes(&[there]);
    let alone = [old.clone()];
    // The list may write an address differently.
    assert_eq!(
        presence(Found::Listed(Some(&moved)), &alone),
        Presence::Present
    );
    let allowed = AllowedOrigins::new(
        &Nodes {
            allow: vec!["10.0.0.0/8".parse().unwrap()],
            ..Nodes::default()
        },
        Metrics::default(),
    );
    scene.origin = allowed.admit(Claim::client("10.0.0.2")).await.unwrap();
    let new = scene.open(Role::Publish, &sealed("/new", 2));
    let both = [new.clone(), old.clone()];
    let listed = Found::Listed(Some(&moved));
    assert_eq!(presence(listed, &both), Presence::Missing);
    assert_eq!(vanished::presence(listed, &new, &both), Presence::Present);
    let everywhere = nodes(&[here, there]);
    assert_eq!(
        presence(Found::Listed(Some(&everywhere)), &both),
        Presence::Present
    );
    assert_eq!(presence(Found::Listed(None), &both), Presence::Present);
    assert!(!vanished::is_back(listed, &old, &both));
    assert!(!vanished::is_back(Found::Listed(None), &old, &both));
    assert!(vanished::is_back(Found::Listed(None), &old, &alone));
}

#[tokio::test]
async fn sessions_of_one_millisecond_have_times_of_their_own() {
    let scene = Scene::new(10).await;
    let times: std::collections::HashSet<u64> = (0..500).map(|_| scene.table.issue()).collect();
    assert_eq!(times.len(), 500);
    for _ in 0..5_000 {
        assert!(scene.table.issue() <= scene.clock.now() + 1_000);
    }
    scene.clock.step(-60_000);
    assert!(scene.table.issue() <= scene.clock.now());
}

#[tokio::test]
async fn ours_are_in_the_order_of_their_arrival_whatever_the_clock_says() {
    for steps in [
        [0, 0, 0],
        [-60_000, 0, 0],
        [60_000, -120_000, 0],
        [-3_600_000, 7_200_000, -500],
        [i64::from(i32::MAX), i64::from(i32::MIN), 0],
    ] {
        let scene = Scene::new(10).await;
        let mut made: Vec<u64> = Vec::new();
        for step in steps {
            scene.clock.step(step);
            // Two within a millisecond do not happen at one slot.
            let issued_at = scene.clock.now() + u64::try_from(made.len()).unwrap();
            scene.open(Role::Publish, &sealed(HERE, issued_at));
            for former in &made {
                assert_eq!(scene.standing(*former), Standing::Superseded, "{steps:?}");
            }
            assert_eq!(scene.standing(issued_at), Standing::Open, "{steps:?}");
            made.push(issued_at);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_replicas_session_is_refused_only_if_it_is_older_by_more_than_the_skew() {
    let scene = Scene::new(10).await;
    let clock = &scene.clock;
    scene.open(Role::Publish, &sealed(HERE, clock.now()));
    let judged = |ago: u64| scene.standing(clock.now() - ago) == Standing::Superseded;
    assert!(!judged(10_000), "its replica may be 10 s behind");
    assert!(!judged(29_000) && judged(31_000));
    let ahead = scene.standing(clock.now() + 3_600_000);
    assert_eq!(ahead, Standing::Unknown);
    let measured = scene.table.clock_ahead();
    assert!(measured > HOUR * 9 / 10 && measured <= HOUR);
    // The clock had been a minute ahead when ours was made, and is right now.
    clock.step(-60_000);
    assert!(!judged(10_000) && judged(31_000));
    advance(Duration::from_mins(10)).await;
    clock.step(600_000);
    assert!(!judged(610_000) && judged(631_000));
}

#[tokio::test]
async fn a_url_without_a_token_means_the_only_session_of_its_client() {
    let scene = Scene::new(3).await;
    let client = client(Role::Play);
    let at = |node: u8, issued_at| Session {
        node: [10, 0, 0, node].into(),
        ..sealed("/a?requestId=a", issued_at)
    };
    let open = |session: &Session| scene.open_of(Role::Play, session, Some(client.clone()));
    let only = |node: Option<u8>| {
        let node = node.map(|node| [10, 0, 0, node].into());
        let only = scene.table.only_of(&client, node);
        only.map(|session| (session.node, session.issued_at))
    };
    open(&at(1, 1));
    open(&at(1, 2));
    assert_eq!(
        only(None),
        Some((at(1, 2).node, 2)),
        "one slot, one session"
    );
    open(&at(2, 3));
    assert_eq!(only(None), None, "ambiguous");
    assert_eq!(only(Some(2)).map(|(_, at)| at), Some(3));
    assert_eq!(only(Some(3)), None);
    scene.table.close(Role::Play, &at(1, 2), EndReason::Gone);
    assert_eq!(only(None).map(|(_, at)| at), Some(3));
    // Evicted, it is no client's.
    for number in 0..3 {
        scene.open(Role::Play, &sealed("/b", number));
    }
    assert_eq!(only(None), None);
}

#[tokio::test]
async fn switching_off_sessions_by_client_affects_urls_without_a_token_only() {
    let scene = Scene::new(10).await;
    let table = SessionTable::new(10, false, HOUR, scene.clock.clone());
    let scene = Scene { table, ..scene };
    let client = client(Role::Play);
    let session = scene.open_of(Role::Play, &sealed("/a", 1), Some(client.clone()));
    assert_eq!(scene.table.only_of(&client, None), None);
    let kinds = Kinds::of(b"m=audio 9 x\r\nm=video 9 x\r\n");
    scene.table.countered(&session, None, kinds);
    for (sdp, is_less) in [("", false), ("v=0\r\n", true), ("m=video 9 x\r\n", true)] {
        scene.table.countered(&session, None, kinds);
        let taken = scene.table.take_refused(&client, None, sdp.as_bytes());
        assert_eq!(taken.is_some(), is_less, "{sdp}");
        assert!(taken.is_none_or(|offer| !offer.is_of_one_client()));
        let again = scene.table.take_refused(&client, None, b"v=0").is_some();
        assert_eq!(again, !is_less, "one of two ends the session");
    }
    scene.table.countered(&session, None, kinds);
    scene.table.heard_of(Role::Play, &sealed("/a", 1));
    assert!(scene.table.take_refused(&client, None, b"v=0").is_none());
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_that_of_the_last_sample() {
    let scene = Scene::new(1).await;
    let about = About::new(&exchange("a"), &scene.origin, "live");
    let socket = scene.table.open_socket(about, CancellationToken::new());
    let traffic = socket.session().traffic();
    let (rate, sample) = (
        || socket.session().rate(),
        || scene.table.sample(Duration::from_secs(5)),
    );
    advance(Duration::from_secs(2)).await;
    traffic.passed(1_000, 3_000);
    assert_eq!(rate(), Some(2_000), "before any sample");
    sample();
    assert_eq!(rate(), Some(2_000), "younger than the sample");
    advance(Duration::from_secs(5)).await;
    traffic.passed(1_500, 3_500);
    sample();
    assert_eq!(rate(), Some(200));
    advance(Duration::from_secs(5)).await;
    sample();
    assert_eq!(rate(), Some(0));
    let last = traffic.last() + Duration::from_secs(5);
    assert_eq!(socket.session().age(), last);
}

/// Sessions of many tasks at few slots: every lock is left, and the counts agree with the table.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_leave_nothing_in_flight() {
    let scene = Arc::new(Scene::new(50).await);
    let mut tasks = JoinSet::new();
    for task in 0..8_u64 {
        let scene = scene.clone();
        tasks.spawn(async move {
            for number in 0..200 {
                let issued_at = task * 1_000 + number;
                let session = sealed(HERE, issued_at);
                let slot = Slot::of(Role::Publish, &session);
                let pending = scene.table.begin_create(slot.clone()).await;
                scene.open(Role::Publish, &session);
                drop(pending);
                let target = Target::Issued(issued_at);
                let delete = scene.table.begin_delete(slot, target, Some(HOUR)).await;
                if delete.is_ok() {
                    scene
                        .table
                        .close(Role::Publish, &session, EndReason::Deleted);
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(scene.table.count().http, scene.table.all().len());
    assert!(scene.table.count().http <= 1);
}

#[test]
fn what_is_no_id_is_none() {
    for text in ["", "+1", "-1", "xyz", "1 ", "11112222333344445", "é"] {
        assert!(text.parse::<SessionId>().is_err(), "{text:?}");
    }
}

#[tokio::test]
async fn how_far_a_session_has_come_is_one_word() {
    let scene = Scene::new(10).await;
    let session = sealed(HERE, 1);
    let view = scene.open(Role::Publish, &session);
    let state = || scene.table.state(&view);
    assert_eq!(state(), "unclaimed");
    scene.table.claim(&view);
    assert_eq!(state(), "open");
    let slot = Slot::of(Role::Publish, &session);
    let delete = async || {
        let delete = scene
            .table
            .begin_delete(slot.clone(), Target::Issued(1), None);
        delete.await.ok().unwrap()
    };
    let refused = delete().await;
    assert_eq!(state(), "closing");
    drop(refused);
    assert_eq!(state(), "open");
    scene.table.orphan(&view);
    assert_eq!(state(), "orphaned");
    drop(delete().await);
    assert_eq!(state(), "orphaned");
    scene
        .table
        .close(Role::Publish, &session, EndReason::Deleted);
    assert_eq!(state(), "closed");
}

/// What one WHIP session of a client takes, without the text that it keeps on the heap. A table
/// that grew just now has room for twice as much in its hash maps.
#[test]
fn a_session_takes_little() {
    let (view, http) = (size_of::<SessionView>(), size_of::<Http>());
    assert!(view <= 304 && http <= 256, "{view}, {http}");
    // Two counts of each `Arc`; one byte of control for each entry of a hash map.
    let shared = 2 * size_of::<usize>();
    let slot = size_of::<Arc<Slot>>() + size_of::<SlotEntry<Arc<SessionView>>>() + 1;
    let by_age = size_of::<(Number, Arc<Slot>)>();
    let held = [
        view + shared,
        http,
        size_of::<Slot>() + shared,
        slot,
        by_age,
        Clients::ENTRY + 1,
    ];
    let all: usize = held.iter().sum();
    assert!(all <= 1_200, "{all} = {held:?}");
}
