//! The JSON frames of Red5's WebSocket signalling (red5pro-webrtc-sdk 11.0.0, publisher and
//! subscriber sockets). The SDK examines no `code` in a frame that has a `message`, so no frame
//! here has both.

use serde_json::{Value, json};

pub(crate) fn status(code: &str) -> String {
    json!({"data": {"type": "status", "code": code}}).to_string()
}

pub(crate) fn connect_success() -> String {
    status("NetConnection.Connect.Success")
}

pub(crate) fn trickle_completed() -> String {
    status("NetConnection.ICE.TrickleCompleted")
}

pub(crate) fn channel_available(label: &str) -> String {
    let code = "NetConnection.DataChannel.Available";
    json!({"data": {"type": "status", "code": code, "description": label}}).to_string()
}

pub(crate) fn starting(stream: &str) -> String {
    json!({"data": {"type": "status", "message": format!("{stream} starting")}}).to_string()
}

pub(crate) fn stopping(stream: &str) -> String {
    json!({"data": {"type": "status", "message": format!("{stream} stopping")}}).to_string()
}

pub(crate) fn error(message: &str, detail: &str) -> String {
    json!({"data": {"type": "error", "message": message, "detail": detail}}).to_string()
}

pub(crate) fn available(yes: bool) -> String {
    json!({"isAvailable": yes}).to_string()
}

pub(crate) fn sdp(kind: &str, sdp: &str) -> String {
    json!({"data": {"sdp": {"type": kind, "sdp": sdp}}}).to_string()
}

pub(crate) fn candidate(candidate: &str, mid: &str) -> String {
    json!({"data": {"candidate": {"candidate": candidate, "sdpMid": mid, "sdpMLineIndex": 0}}})
        .to_string()
}

/// The text of the candidate in a `handleCandidate` frame; empty at the end of candidates.
pub(crate) fn candidate_in(frame: &Value) -> &str {
    frame
        .pointer("/data/candidate/candidate")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The SDP in a `handleOffer` or `handleAnswer` frame.
pub(crate) fn sdp_in(frame: &Value) -> &str {
    frame
        .pointer("/data/sdp/sdp")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_frames_carry_no_message() {
        let frame: Value = serde_json::from_str(&connect_success()).unwrap();
        assert_eq!(
            frame,
            json!({"data": {"type": "status", "code": "NetConnection.Connect.Success"}})
        );
    }
}
