//! A query in the wrong place.
//!
//! red5pro-webrtc-sdk 12.0.0 adds `&host=…` to the URL of a session whether there is a `?` or not,
//! so the last segment of the path becomes `stream1&host=…`, or `{token}&host=…`. No name and no
//! token of ours holds a `&`.

use http::uri::PathAndQuery;

/// The target that was meant, with all of the query behind a `?`; `None` if nothing is out of
/// place, or if the path is not that of a session.
pub fn mended(target: &PathAndQuery) -> Option<PathAndQuery> {
    let path = target.path();
    let of_2_0 = ["/as/v1/proxy/whip/", "/as/v1/proxy/whep/"];
    let session = if of_2_0.into_iter().any(|mark| path.starts_with(mark)) {
        path.find('&').and_then(|end| path.get(..end)?.rfind('/'))? + 1
    } else {
        ["/whip/resource/", "/whep/resource/"]
            .into_iter()
            .find_map(|mark| Some(path.rfind(mark)? + mark.len()))?
    };
    let (name, misplaced) = path.get(session..)?.split_once('&')?;
    let path = path.get(..session)?;
    let meant = match target.query() {
        None | Some("") => format!("{path}{name}?{misplaced}"),
        Some(query) => format!("{path}{name}?{misplaced}&{query}"),
    };
    meant.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meant(target: &str) -> Option<String> {
        mended(&target.parse().unwrap()).map(|target| target.to_string())
    }

    #[test]
    fn what_12_0_0_sends_is_understood() {
        for (sent, query) in [
            (
                "/live/whip/resource/stream1&host=10.0.0.1",
                "?host=10.0.0.1",
            ),
            ("/live/whip/resource/stream1&host=abc&a=b", "?host=abc&a=b"),
            ("/live/whip/resource/stream1&host=abc?a=b", "?host=abc&a=b"),
            ("/live/whip/resource/stream1&", "?"),
        ] {
            let whole = format!("/live/whip/resource/stream1{query}");
            assert_eq!(meant(sent), Some(whole), "{sent}");
        }
        assert_eq!(
            meant("/as/v1/proxy/whep/live/room/s1/session:to-ken_&host=a/b?requestId=x").as_deref(),
            Some("/as/v1/proxy/whep/live/room/s1/session:to-ken_?host=a/b&requestId=x")
        );
        assert_eq!(
            meant("/live/room/whep/resource/s1/to-ken_&host=[::1]?requestId=x").as_deref(),
            Some("/live/room/whep/resource/s1/to-ken_?host=[::1]&requestId=x")
        );
    }

    #[test]
    fn nothing_else_is_touched() {
        for sent in [
            "/live/whip/resource/stream1?host=10.0.0.1",
            "/live/whip/endpoint/stream1&host=10.0.0.1",
            "/streammanager/api/4.0/event/live/a&b",
            "/live/a&b/whip/resource/stream1",
        ] {
            assert_eq!(meant(sent), None, "{sent}");
        }
    }

    proptest! {
        #[test]
        fn any_target_is_taken_and_mended_once(rest in "[a-z0-9/&=?%:.-]{0,60}") {
            for before in ["/live/whip/resource", "/as/v1/proxy/whip"] {
                if let Some(once) = meant(&format!("{before}/{rest}")) {
                    prop_assert_eq!(meant(&once), None);
                }
            }
        }
    }
}
