//! One exchange of the storm: a request of a real client, changed in some places.

use whipstitch_tests::dice::Dice;

/// What clients send, without the fields that every request has.
const REQUESTS: &[(&str, &str)] = &[
    ("GET /page?n=N", ""),
    ("POST /page?n=N", "abc"),
    ("POST /live/whip/endpoint/s1?n=N", "v=0\r\n"),
    ("POST /live/whep/endpoint/s2?n=N", "v=0\r\n"),
    ("OPTIONS /live/whep/endpoint/s1?n=N", ""),
    ("PATCH /live/whip/resource/s1/AAAA?n=N", "a=candidate\r\n"),
    ("DELETE /live/whip/resource/s1/AAAA?n=N", ""),
    (
        "GET /streammanager/api/4.0/event/live/s1?action=broadcast&n=N",
        "",
    ),
    (
        "GET /streammanager/?id=s1&host=127.0.0.2&app=live&n=N",
        "websocket",
    ),
];

/// Lines that a header section gets.
const LINES: &[&str] = &[
    "X-Request-Id: forged",
    "X-Request-Id: a\r\nX-Request-Id: b",
    "x-request-id: \u{e9}",
    "X_Request_Id: forged",
    "X-Forwarded-For: 203.0.113.9",
    "X-Forwarded-For: 127.0.0.1\r\nx-forwarded-for: 10.0.0.1",
    "X_Forwarded_For: 203.0.113.9",
    "Forwarded: for=203.0.113.9",
    "Connection: X-Forwarded-For, X-Request-Id, Host",
    "Connection: close",
    "Connection: keep-alive, Transfer-Encoding",
    "Host: elsewhere",
    "Content-Length: 3",
    "Content-Length: 0",
    "Content-Length: 3, 3",
    "Content-Length: +3",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 3",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: chunked\r\nTrailer: X-Request-Id",
    "TE: trailers",
    "Expect: 100-continue",
    "Expect: y 100-continue",
    "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
    "Upgrade: websocket",
    "X: a\r\n folded",
    "X: a\rY: b",
    "X: a\nY: b",
    "X : a",
    ": a",
    "X: \0",
    "Via: 1.1 a\r\nVia: 1.1 b",
    "Cookie: a=b\r\nCookie: c=d",
    "Traceparent: 00-00000000000000000000000000000000-0000000000000000-00",
];

/// Bytes that replace or enter others.
const BYTES: &[u8] = b"\r\n\0 \t:;,%?#/\\\"\x7f\x80\xffaZ0";

/// The bytes of an exchange, whose targets hold this name.
pub(super) fn exchange(dice: &mut Dice, name: &str) -> Vec<u8> {
    let (line, body) = dice.pick(REQUESTS);
    let mut lines = vec![
        format!("{} HTTP/1.1", line.replace('N', name)),
        "Host: localhost".to_owned(),
    ];
    let body = if *body == "websocket" {
        lines.extend([
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13".to_owned(),
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
        ]);
        String::new()
    } else {
        framed(dice, body, &mut lines)
    };
    for _ in 0..dice.roll(4) {
        let at = 1 + dice.roll(lines.len());
        lines.insert(at, (*dice.pick(LINES)).to_owned());
    }
    if dice.roll(8) == 0 {
        let again = dice.pick(&lines).clone();
        lines.push(again);
    }
    let mut bytes = format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes();
    if dice.roll(3) == 0 {
        damage(dice, &mut bytes);
    }
    bytes
}

/// The body with a length or in chunks, and its field.
fn framed(dice: &mut Dice, body: &str, lines: &mut Vec<String>) -> String {
    if body.is_empty() {
        return String::new();
    }
    lines.push("Content-Type: application/sdp".to_owned());
    if dice.roll(2) == 0 {
        lines.push(format!("Content-Length: {}", body.len()));
        return body.to_owned();
    }
    lines.push("Transfer-Encoding: chunked".to_owned());
    let extension = dice.pick(&["", ";a=b", " ;a", ";\n"]);
    let trailers = dice.pick(&[
        "",
        "X-Request-Id: t\r\n",
        "Host: t\r\nX-Forwarded-For: t\r\n",
    ]);
    let size = body.len();
    format!("{size:x}{extension}\r\n{body}\r\n0\r\n{trailers}\r\n")
}

/// One to three bytes replaced, inserted or removed.
fn damage(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(bytes.len());
        match dice.roll(3) {
            0 => bytes[at] = *dice.pick(BYTES),
            1 => bytes.insert(at, *dice.pick(BYTES)),
            _ => drop(bytes.remove(at)),
        }
    }
}
