//! Sorted, searched, filtered and paged.

use std::time::{Duration, Instant};

use super::*;

fn row(number: u64) -> Row {
    Row {
        id: format!("{number:012x}"),
        kind: if number.is_multiple_of(2) {
            "socket"
        } else {
            "whep"
        },
        state: "open",
        scope: format!("live/room{}", number % 100),
        stream: Some(format!("stream{number}")),
        node: SocketAddr::from(([10, 0, 0, 1], 5080)),
        client: Some([192, 0, 2, 7].into()),
        agent: Some("Mozilla/5.0".to_owned()),
        tls: true,
        began_at: 1_000 + number,
        from_client_bytes: number.is_multiple_of(2).then_some(number),
        from_node_bytes: number.is_multiple_of(2).then_some(2 * number),
        rate_bps: number.is_multiple_of(2).then_some(number % 1_000),
        last_activity_at: 5_000 - number % 3_000,
    }
}

fn ask(query: &str, rows: Vec<Row>) -> List {
    Question::parse(query).unwrap().page(rows)
}

fn numbers(list: &List) -> Vec<u64> {
    let number = |row: &Row| row.began_at - 1_000;
    list.sessions.iter().map(number).collect()
}

#[test]
fn each_order_and_its_opposite() {
    let rows = || (0..6).map(row).collect::<Vec<_>>();
    for (query, expected) in [
        ("", [0, 1, 2, 3, 4, 5]),
        ("sort=age&order=asc", [5, 4, 3, 2, 1, 0]),
        ("sort=bytes", [4, 2, 0, 1, 3, 5]),
        ("sort=rate&order=asc", [5, 3, 1, 0, 2, 4]),
        ("sort=activity", [0, 1, 2, 3, 4, 5]),
        ("sort=stream", [0, 1, 2, 3, 4, 5]),
        ("sort=stream&order=desc", [5, 4, 3, 2, 1, 0]),
    ] {
        assert_eq!(numbers(&ask(query, rows())), expected, "{query}");
    }
}

#[test]
fn everything_that_is_shown_can_be_searched() {
    let rows = || (0..200).map(row).collect::<Vec<_>>();
    for (search, matching) in [
        ("ROOM7%2Fstream7", 1),
        ("stream19", 11),
        ("whep", 100),
        ("192.0.2.7", 200),
        ("10.0.0.1:5080", 200),
        ("mozilla%2F5", 200),
        ("0000000000c7", 1),
        ("+", 0),
        ("nobody", 0),
        ("&kind=whep", 100),
        ("stream19&kind=socket", 5),
        ("&of=live%2Froom7%2Fstream107", 1),
        ("&of=room7%2Fstream107", 0),
    ] {
        let list = ask(&format!("search={search}"), rows());
        assert_eq!(
            (list.extent.matching, list.total),
            (matching, 200),
            "{search}"
        );
    }
}

#[test]
fn sessions_that_no_client_ended_are_counted_and_a_refused_list_is_named() {
    let list = ask("search=stream1", (0..5).map(row).collect());
    assert_eq!((list.extent.matching, list.not_ended_by_client), (1, 2));
    let refused = Vanished::of(Some(Err(NotAskable::Refused(401))));
    assert_eq!(refused.state, Findable::Failing);
    assert_eq!(
        refused.error.as_deref(),
        Some("the Stream Manager does not list its streams: it answers with status 401")
    );
    assert_eq!(Vanished::of(Some(Ok(()))).state, Findable::Known);
    assert_eq!(Vanished::of(None), Vanished::default());
}

#[test]
fn nine_thousand_nine_hundred_are_paged_at_once() {
    let rows: Vec<_> = (0..9_900).map(row).collect();
    let mut seen = Vec::new();
    let mut took = Duration::MAX;
    for page in 1..=20 {
        let rows = rows.clone();
        let began = Instant::now();
        let list = ask(
            &format!("sort=activity&search=stream&per_page=500&page={page}"),
            rows,
        );
        took = took.min(began.elapsed());
        assert_eq!((list.extent.matching, list.extent.pages), (9_900, 20));
        seen.extend(numbers(&list));
    }
    seen.sort_unstable();
    assert!(seen.iter().copied().eq(0..9_900), "each once");
    // Without optimisation; 10 ms with it.
    assert!(took < Duration::from_millis(500), "{took:?}");
}
