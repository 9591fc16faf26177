//! What an operator can do.

use std::time::Duration;

use http::{Response, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use whipstitch_signaling::StreamKey;

use super::{
    Admin,
    answer::{self, Body, unix_ms},
    rtcproxy, sessions,
};
use whipstitch_telemetry::LevelError;

/// How long another filter of the log holds unless said otherwise.
const LOG_LEVEL_FOR: Duration = Duration::from_mins(10);

/// A thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change<'p> {
    Drain,
    Reload,
    LogLevel,
    Forget,
    /// The session of this id.
    End(&'p str),
    /// The session of this id, or those of the stream of this guid.
    Kick(&'p str),
}

/// Why it is not done.
type Refused = (StatusCode, String);

/// Does it.
pub(super) async fn make(admin: &Admin, change: Change<'_>, body: &[u8]) -> Response<Body> {
    let done = match change {
        Change::Drain => drain(admin, body).await,
        Change::Reload => reload(admin, body).await,
        Change::LogLevel => log_level(admin, body),
        Change::Forget => forget(admin, body),
        Change::End(id) => end(admin, id, body),
        Change::Kick(id) => Ok(rtcproxy::end(&admin.0.sessions, &admin.0.terminator, id)),
    };
    done.unwrap_or_else(|(status, words)| answer::error(status, &words))
}

/// What the body says; nothing, if it is empty.
fn parse<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Refused> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body)
        .map_err(|error| (StatusCode::BAD_REQUEST, format!("the body: {error}")))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DrainBody {
    /// Whether to answer when it is over.
    wait: bool,
}

async fn drain(admin: &Admin, body: &[u8]) -> Result<Response<Body>, Refused> {
    let DrainBody { wait } = parse(body)?;
    let lifecycle = &admin.0.lifecycle;
    let times = lifecycle.begin_drain();
    let status = if wait {
        lifecycle.drained().await;
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let times = json!({
        "began_at": unix_ms(times.began),
        "deadline_at": unix_ms(times.deadline),
    });
    Ok(answer::json_with(status, &times))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NoBody {}

async fn reload(admin: &Admin, body: &[u8]) -> Result<Response<Body>, Refused> {
    let NoBody {} = parse(body)?;
    Ok(answer::json(&admin.0.reload.reload().await))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LogLevelBody {
    level: String,
    for_ms: Option<u64>,
}

fn log_level(admin: &Admin, body: &[u8]) -> Result<Response<Body>, Refused> {
    let LogLevelBody { level, for_ms } = parse(body)?;
    let bad = |words: &str| (StatusCode::BAD_REQUEST, words.to_owned());
    if level.is_empty() {
        return Err(bad("level is missing, such as \"debug\""));
    }
    let Some(log) = &admin.0.log else {
        let words = "this process has no log of its own";
        return Err((StatusCode::CONFLICT, words.to_owned()));
    };
    let lasts = for_ms.map_or(LOG_LEVEL_FOR, Duration::from_millis);
    let (tasks, stop) = (&admin.0.tasks, admin.0.stop.clone());
    match log.change(&level, lasts, tasks, stop) {
        Ok(now) => Ok(answer::json(&json!({
            "now": now.filter,
            "until_at": unix_ms(now.until),
        }))),
        Err(error @ LevelError::Duration) => Err(bad(&format!("for_ms: {error}"))),
        Err(error @ LevelError::Malformed(_)) => Err(bad(&format!("level {error}"))),
        Err(error @ LevelError::Refused(_)) => Err((StatusCode::CONFLICT, error.to_string())),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ForgetBody {
    scope: Option<String>,
    stream: Option<String>,
}

fn forget(admin: &Admin, body: &[u8]) -> Result<Response<Body>, Refused> {
    let bad = |words: String| (StatusCode::BAD_REQUEST, words);
    let of = match parse::<ForgetBody>(body)? {
        ForgetBody {
            scope: None,
            stream: None,
        } => None,
        ForgetBody {
            scope: Some(scope),
            stream: Some(stream),
        } => {
            let key = StreamKey::new(&scope, &stream);
            Some(key.map_err(|error| bad(error.to_string()))?)
        }
        _ => return Err(bad("scope and stream go together".to_owned())),
    };
    let forgotten = admin.0.view.forget(of.as_ref());
    Ok(answer::json(&json!({ "forgotten": forgotten })))
}

fn end(admin: &Admin, id: &str, body: &[u8]) -> Result<Response<Body>, Refused> {
    let NoBody {} = parse(body)?;
    let kind = id.parse().ok().and_then(|id| admin.0.terminator.end(id));
    Ok(match kind {
        Some(kind) => {
            let ending = json!({ "id": id, "kind": kind.label() });
            answer::json_with(StatusCode::ACCEPTED, &ending)
        }
        None => sessions::unknown(),
    })
}
