//! Whether a Stream Manager is there, and which node it names.

use http::Method;
use serde_json::Value;

use crate::{
    Role,
    answer::{Answer, Exchange},
    target::{Manager, Target},
    url::Url,
    wire::{Ask, Wire},
};

/// The list of live streams (Red5 Pro documentation, Stream Manager REST API 4.0).
const LIST: &str = "/streammanager/api/4.0/event/list";

/// Finds out what answers at the URL; also the first contact with the server.
///
/// # Errors
/// Why there is no answer, in words.
pub(crate) async fn find(wire: &Wire, target: &Target) -> Result<Manager, String> {
    let first = get(wire, target.base.with(LIST, None)).await;
    let answer = match first {
        Exchange::Answer(answer) => answer,
        Exchange::NoAnswer(words) => return Err(words),
    };
    if json(&answer).is_some_and(|json| json.is_array() || json.get("errorMessage").is_some()) {
        return Ok(Manager::V1);
    }
    let path = format!(
        "/as/v1/streams/stream/default/publish/{}/doctor",
        target.app
    );
    let second = get(wire, target.base.with(&path, None)).await;
    let known = second
        .answer()
        .and_then(json)
        .is_some_and(|json| json.is_array() || json.get("error").is_some());
    Ok(if known { Manager::V2 } else { Manager::None })
}

/// The address of the node for a stream, as API 4.0 gives it to the pages that use `RTCPublisher`
/// and `RTCSubscriber`.
///
/// # Errors
/// The manager's answer, in words.
pub(crate) async fn locate(
    wire: &Wire,
    target: &Target,
    role: Role,
    stream: &str,
) -> Result<String, Exchange> {
    let action = match role {
        Role::Publish => "broadcast",
        Role::Play => "subscribe",
    };
    let path = format!("/streammanager/api/4.0/event/{}/{stream}", target.app);
    let url = target.base.with(&path, Some(format!("action={action}")));
    let came = get(wire, url).await;
    let named = came
        .answer()
        .filter(|answer| answer.is_success())
        .and_then(json);
    let address = named.and_then(|json| json.get("serverAddress")?.as_str().map(str::to_owned));
    address.filter(|address| !address.is_empty()).ok_or(came)
}

async fn get(wire: &Wire, url: Url) -> Exchange {
    wire.ask(Ask::new(Method::GET, url)).await
}

fn json(answer: &Answer) -> Option<Value> {
    serde_json::from_str(&answer.body).ok()
}
