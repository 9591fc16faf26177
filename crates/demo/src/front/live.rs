//! Which streams are live, and how many watch each: what the Stream Manager says.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::Mutex;
use whipstitch_signaling::Api;

use super::Upstream;

/// Most streams that are shown; with 1.x each costs a call.
const MOST: usize = 24;
/// However many pages ask, the manager is asked no more often than this.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// The last answer, and when it came.
#[derive(Default)]
pub(super) struct Live(Mutex<Option<(Instant, Option<Vec<Value>>)>>);

impl Live {
    /// The live streams; `None` if the manager does not say.
    pub(super) async fn streams(&self, upstream: &Upstream) -> Option<Vec<Value>> {
        // Held while the manager is asked: a request that comes meanwhile gets the same answer.
        let mut last = self.0.lock().await;
        if let Some((at, streams)) = &*last
            && at.elapsed() < FRESH_FOR
        {
            return streams.clone();
        }
        let streams = match upstream.api() {
            Api::V1 => of_1(upstream).await,
            Api::V2 => of_2(upstream).await,
        };
        *last = Some((Instant::now(), streams.clone()));
        streams
    }
}

async fn of_1(upstream: &Upstream) -> Option<Vec<Value>> {
    let list = upstream.json("list").await?;
    let text = |entry: &Value, key: &str| entry.get(key)?.as_str().map(str::to_owned);
    let named: BTreeSet<(String, String)> = list
        .as_array()?
        .iter()
        .filter_map(|entry| Some((text(entry, "scope")?, text(entry, "name")?)))
        .collect();
    let mut streams = Vec::new();
    for (scope, name) in named.iter().take(MOST) {
        let scope = scope.trim_matches('/');
        let path = format!("{}/{}/stats", escaped(scope), escaped(name));
        let statistics = upstream.json(&path).await.unwrap_or_default();
        let viewers = statistics.get("currentSubscribers").and_then(Value::as_u64);
        streams.push(json!({ "scope": scope, "name": name, "viewers": viewers }));
    }
    Some(streams)
}

async fn of_2(upstream: &Upstream) -> Option<Vec<Value>> {
    let list = upstream.json("?stats=true").await?;
    let stream = |entry: &Value| {
        let (scope, name) = entry.get("streamGuid")?.as_str()?.rsplit_once('/')?;
        let viewers = entry.get("subscribers").and_then(Value::as_u64);
        Some(json!({ "scope": scope, "name": name, "viewers": viewers }))
    };
    let streams = list.as_array()?.iter().filter_map(stream);
    Some(streams.take(MOST).collect())
}

/// A path's segments, with everything percent-encoded that is not unreserved (RFC 3986 §2.3).
fn escaped(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes()
        .map(|byte| match byte {
            _ if plain(byte) => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_segment() {
        assert_eq!(escaped("live/a b?c#d%"), "live/a%20b%3Fc%23d%25");
        assert_eq!(escaped("ü"), "%C3%BC");
    }
}
