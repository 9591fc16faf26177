use hyper_tungstenite::tungstenite::protocol::frame::{Frame as Sent, coding::Control};
use whipstitch_auth::Permission;
use whipstitch_signaling::StreamKey;

use super::*;

/// May publish `live/s1`, and play everything.
fn allowed() -> Arc<Dialogue> {
    let only = StreamKey::new("live", "s1").unwrap();
    Arc::new(Dialogue::new(
        "live",
        Permission::Only(only),
        Permission::Any,
    ))
}

fn frame(text: &[u8], opcode: OpCode, is_final: bool) -> Vec<u8> {
    let mut frame = Sent::message(text.to_vec(), OpCode::Data(Data::Text), is_final);
    frame.header_mut().opcode = opcode;
    frame.header_mut().mask = Some([1, 2, 3, 4]);
    let mut bytes = Vec::new();
    frame.format(&mut bytes).unwrap();
    bytes
}

fn text(text: &str) -> Vec<u8> {
    frame(text.as_bytes(), OpCode::Data(Data::Text), true)
}

/// Whether the bytes pass, however they are cut.
fn passes(bytes: &[u8]) -> bool {
    let cut = |size| {
        let mut messages = Messages::new(allowed());
        bytes
            .chunks(size)
            .try_for_each(|piece| messages.follow(piece))
            .is_ok()
    };
    let whole = cut(bytes.len());
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(cut(size), whole, "{size}");
    }
    whole
}

#[test]
fn a_message_says_who_does_what() {
    for (message, expected) in [
        (r#"{"handleOffer":"s1","data":{"sdp":{}}}"#, true),
        (r#"{"publish":"s1","mode":"live"}"#, true),
        (r#"{"publish":"s2"}"#, false),
        (r#"{"handleOffer":"s2"}"#, false),
        (r#"{"subscribe":"s2","requestId":"a"}"#, true),
        (r#"{"isAvailable":"s2"}"#, true),
        (r#"{"data":{"publish":"s2"}}"#, true),
        // Each reader of JSON takes another one of two keys.
        (r#"{"publish":"s1","publish":"s2"}"#, false),
        (r#"{"publish":"s2","publish":"s1"}"#, false),
        (r#"{"\u0070ublish":"s2"}"#, false),
        (r#"{"PUBLISH":"s2"}"#, false),
        (r#"{"publish":["s1"]}"#, false),
        (r#"{"publish":"../live/s1"}"#, false),
        (r#"[{"publish":"s1"}]"#, false),
        (r#"{"publish":"s1"} {"publish":"s2"}"#, false),
        ("{'publish':'s2'}", false),
        ("", false),
    ] {
        assert_eq!(passes(&text(message)), expected, "{message}");
    }
}

#[test]
fn a_message_is_read_over_its_frames() {
    let first = frame(br#"{"publ"#, OpCode::Data(Data::Text), false);
    let ping = frame(b"{", OpCode::Control(Control::Ping), true);
    for (name, expected) in [("s1", true), ("s2", false)] {
        let rest = format!(r#"ish":"{name}"}}"#);
        let rest = frame(rest.as_bytes(), OpCode::Data(Data::Continue), true);
        let bytes = [first.clone(), ping.clone(), rest, text("{}")].concat();
        assert_eq!(passes(&bytes), expected, "{name}");
    }
}

#[test]
fn what_cannot_be_read_does_not_pass() {
    let mut plain = Vec::new();
    Sent::message("{}".to_owned(), OpCode::Data(Data::Text), true)
        .format(&mut plain)
        .unwrap();
    let mut compressed = text("{}");
    compressed[0] |= 0x40;
    let long = format!(r#"{{"x":"{}"}}"#, "x".repeat(MAX_MESSAGE));
    for bytes in [
        plain,
        compressed,
        text(&long),
        frame(b"{}", OpCode::Data(Data::Binary), true),
        vec![0x83, 0x80, 0, 0, 0, 0],
    ] {
        assert!(
            !passes(&bytes),
            "{}",
            bytes.get(..20).unwrap_or(&bytes).escape_ascii()
        );
    }
    assert!(passes(&frame(&[], OpCode::Control(Control::Close), true)));
}
