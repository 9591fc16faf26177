//! Calls of the Stream Manager whose answers name nodes, so that these can be learned as they pass.

use crate::{
    Api, StreamKey,
    stream::{check_node_group, check_scope},
};

/// Whether a path is such a call, written in the one way that no container reads as another.
pub fn names_nodes(path: &str, api: Api) -> bool {
    match api {
        Api::V1 => is_event(path),
        Api::V2 => is_stream(path),
    }
}

/// The event API (Red5 Pro documentation, Stream Manager REST API 4.0).
fn is_event(path: &str) -> bool {
    let Some((version, event)) = path
        .strip_prefix("/streammanager/api/")
        .and_then(|rest| rest.split_once("/event/"))
    else {
        return false;
    };
    let version_like = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    !version.is_empty()
        && version.bytes().all(version_like)
        && !version.contains("..")
        && check_scope(event).is_ok()
}

/// The lookups of 2.0 (Red5 Pro documentation, Stream Manager 2.0, Streams API).
fn is_stream(path: &str) -> bool {
    let Some((group, rest)) = path
        .strip_prefix("/as/v1/streams/stream/")
        .and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    let guid = rest
        .strip_prefix("publish/")
        .or_else(|| rest.strip_prefix("subscribe/"));
    check_node_group(group).is_ok() && guid.is_some_and(|guid| StreamKey::from_guid(guid).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_every_container_reads_alike_names_nodes() {
        for path in [
            "/streammanager/api/4.0/event/live/s1",
            "/streammanager/api/4.0/event/list",
        ] {
            assert!(
                names_nodes(path, Api::V1) && !names_nodes(path, Api::V2),
                "{path}"
            );
        }
        for path in [
            "/as/v1/streams/stream/default/publish/live/s1",
            "/as/v1/streams/stream/my-group.1/subscribe/live/room/s1",
        ] {
            assert!(
                names_nodes(path, Api::V2) && !names_nodes(path, Api::V1),
                "{path}"
            );
        }
        for path in [
            "/as/v1/streams/stream/default/publish/live/../../../../../x/y",
            "/as/v1/streams/stream/../publish/live/s1",
            "/as/v1/streams/stream/default/publish/live/%2e%2e/s1",
            "/as/v1/streams/stream/default/list/live/s1",
            "/as/v1/streams/stream/default/publish/s1",
            "/as/v1/streams/stream//publish/live/s1",
            "/as/v1/streams//stream/default/publish/live/s1",
            "/as/v2/streams/stream/default/publish/live/s1",
            "/x/as/v1/streams/stream/default/publish/live/s1",
            "/live/s1.m3u8",
        ] {
            assert!(
                !names_nodes(path, Api::V2) && !names_nodes(path, Api::V1),
                "{path}"
            );
        }
    }
}
