use http::{HeaderName, uri::PathAndQuery};
use http_body_util::BodyExt;

use super::*;

const TRICKLE: &str = "application/trickle-ice-sdpfrag";

fn session(tag: Tag) -> Session {
    Session {
        node: [10, 0, 0, 5].into(),
        resource: PathAndQuery::from_static("/live/whip/resource/s1"),
        issued_at: 0xabc,
        tag,
        owner: None,
    }
}

/// What a node receives of a request with these fields.
fn heard(
    method: &Method,
    media: &str,
    tag: Tag,
    fields: &[(HeaderName, &str)],
    strict: bool,
) -> Result<(Option<String>, bool), Unmatched> {
    let mut request = Request::builder()
        .method(method)
        .header(CONTENT_TYPE, media);
    for (name, value) in fields {
        request = request.header(name, *value);
    }
    let mut request = request.body(body::empty()).unwrap();
    let follow = before(&mut request, &session(tag), strict)?;
    assert!(!request.headers().contains_key(ETAG));
    Ok((joined(request.headers()), follow))
}

#[test]
fn a_tag_of_the_node_is_heard_there_and_one_of_ours_is_not() {
    let patch = |tag, fields: &[(HeaderName, &str)]| {
        heard(&Method::PATCH, TRICKLE, tag, fields, false)
            .unwrap()
            .0
    };
    let (nodes, ours) = ("\"n1\"", "\"whipstitch-abc\"");
    for name in [IF_MATCH, ETAG] {
        assert_eq!(
            patch(Tag::Nodes, &[(name.clone(), nodes)]).as_deref(),
            Some(nodes)
        );
        assert_eq!(patch(Tag::Ours, &[(name.clone(), ours)]), None, "{name}");
        // A page that was given no tag.
        assert_eq!(patch(Tag::None, &[(name, ours)]), None);
    }
    assert_eq!(patch(Tag::Ours, &[(IF_MATCH, "*")]).as_deref(), Some("*"));
    // Eyevinn's client where it could not read one.
    assert_eq!(patch(Tag::Nodes, &[(ETAG, "null")]), None);
    let both = [(IF_MATCH, nodes), (ETAG, "\"other\"")];
    assert_eq!(patch(Tag::Nodes, &both).as_deref(), Some(nodes));
    // simple-whip-client.
    let delete = heard(&Method::DELETE, "", Tag::Nodes, &[(IF_MATCH, nodes)], true);
    assert_eq!(delete, Ok((None, false)), "RFC 9725 §4.2");
}

#[test]
fn only_a_fragment_needs_a_tag_and_only_in_strict_mode() {
    let none = |media, tag, strict| heard(&Method::PATCH, media, tag, &[], strict);
    for tag in [Tag::None, Tag::Nodes, Tag::Ours] {
        assert_eq!(none(TRICKLE, tag, false), Ok((None, true)));
        assert_eq!(none("application/sdp", tag, true), Ok((None, false)));
    }
    assert_eq!(none(TRICKLE, Tag::Ours, true), Err(Unmatched::Missing));
    assert_eq!(none(TRICKLE, Tag::None, true), Ok((None, true)));
    let stale = [(ETAG, "\"whipstitch-abd\"")];
    let stale = heard(&Method::PATCH, TRICKLE, Tag::Ours, &stale, true);
    assert_eq!(stale, Err(Unmatched::Stale));
}

#[tokio::test]
async fn a_client_without_tags_never_sees_that_a_trickle_was_refused() {
    let exchange = Exchange::begin(&HeaderMap::new(), None);
    let answered = async |tag, status: u16| {
        let response = Response::builder()
            .status(status)
            .header(CONTENT_TYPE, "text/plain")
            .header(CONTENT_LENGTH, "2");
        let response = after(
            response.body(body::full("no")).unwrap(),
            &session(tag),
            &exchange,
            5,
        );
        let has_type = response.headers().contains_key(CONTENT_TYPE);
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(has_type, !body.is_empty());
        assert_eq!(body.is_empty(), status == 204);
        status
    };
    for refused in [405, 412, 428] {
        assert_eq!(answered(Tag::None, refused).await, 204);
        assert_eq!(answered(Tag::Nodes, refused).await, refused);
        assert_eq!(answered(Tag::Ours, refused).await, refused);
    }
    for other in [200, 400, 404, 409, 500] {
        assert_eq!(answered(Tag::None, other).await, other);
    }
}

#[test]
fn a_new_session_and_a_restarted_one_have_a_tag_each() {
    let red5 = Dialect::of(&HeaderMap::new(), Some("signal=true"));
    let other = Dialect::of(&HeaderMap::new(), None);
    let nodes = HeaderMap::from_iter([(ETAG, HeaderValue::from_static("\"n1\""))]);
    assert_eq!(of(&HeaderMap::new(), red5), Tag::None);
    assert_eq!(of(&nodes, red5), Tag::None);
    assert_eq!(of(&nodes, other), Tag::Nodes);
    assert_eq!(of(&HeaderMap::new(), other), Tag::Ours);

    let mut told = HeaderMap::new();
    tell(&mut told, &session(Tag::Nodes));
    assert!(told.is_empty());
    tell(&mut told, &session(Tag::Ours));
    assert_eq!(told[ETAG], "\"whipstitch-abc\"");

    let exchange = Exchange::begin(&told, None);
    let restarted = |tag, own: Option<&str>, body: &'static str| {
        let mut response = Response::builder().status(200);
        if let Some(own) = own {
            response = response.header(ETAG, own);
        }
        let body = if body.is_empty() {
            body::empty()
        } else {
            body::full(body)
        };
        let response = after(response.body(body).unwrap(), &session(tag), &exchange, 5);
        let tag = response.headers().get(ETAG);
        tag.map(|tag| tag.to_str().unwrap().to_owned())
    };
    let next = restarted(Tag::Ours, None, "a=ice-ufrag:x").unwrap();
    assert!(next.starts_with("\"whipstitch-abc-"), "{next}");
    assert_eq!(
        restarted(Tag::Ours, Some("\"n\""), "a=x").as_deref(),
        Some("\"n\"")
    );
    assert_eq!(restarted(Tag::Ours, None, ""), None, "a trickle");
    assert_eq!(restarted(Tag::Nodes, None, "a=ice-ufrag:x"), None);
}
