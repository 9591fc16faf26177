//! One STUN Binding request, as an ICE agent checks a candidate (RFC 8489 §5; RFC 8445 §7.2.2).

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use aws_lc_rs::hmac;
use tokio::{
    net::UdpSocket,
    time::{Instant, sleep_until, timeout_at},
};

use crate::sdp::random_hex;

const BINDING: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const REFUSAL: u16 = 0x0111;
const COOKIE: u32 = 0x2112_A442;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const PRIORITY: u16 = 0x0024;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLING: u16 = 0x802A;
const HEADER: usize = 20;
/// Bytes of the two attributes at the end, each with its head.
const INTEGRITY: usize = 4 + 20;
const CHECKSUM: usize = 4 + 4;
/// What a fingerprint is mixed with (RFC 8489 §14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554E;
/// A peer-reflexive candidate's (RFC 8445 §5.1.2).
const PRIORITY_VALUE: u32 = 1_845_494_271;
/// Requests are lost now and then: it is sent again after this long.
const AGAIN: Duration = Duration::from_millis(500);

/// The credentials of a check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credentials<'c> {
    /// The user fragment of the doctor's description.
    pub(crate) ours: &'c str,
    /// That of the node's description.
    pub(crate) theirs: &'c str,
    /// The password of the node's description.
    pub(crate) password: &'c str,
}

/// Whether anything at this address answers the check, within `patience`.
///
/// # Errors
/// Why not, in words.
pub(crate) async fn check(
    address: SocketAddr,
    credentials: Credentials<'_>,
    patience: Duration,
) -> Result<(), String> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let words = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "port closed".to_owned(),
        _ => error.to_string(),
    };
    let socket = UdpSocket::bind(any).await.map_err(words)?;
    socket.connect(address).await.map_err(words)?;
    let id = random_hex(12);
    let request = request(&id, credentials);
    let until = Instant::now() + patience;
    let mut last = format!("no answer within {} s", patience.as_secs());
    while Instant::now() < until {
        let again = (Instant::now() + AGAIN).min(until);
        let mut buffer = [0; 1500];
        let came = async {
            socket.send(&request).await?;
            socket.recv(&mut buffer).await
        };
        match timeout_at(again, came).await {
            Ok(Ok(length)) if is_answer(buffer.get(..length).unwrap_or_default(), &id) => {
                return Ok(());
            }
            Ok(Err(error)) => last = words(error),
            Ok(Ok(_)) | Err(_) => {}
        }
        sleep_until(again).await;
    }
    Err(last)
}

/// Whether this answers the request: a refusal shows too that the way is open.
fn is_answer(message: &[u8], id: &str) -> bool {
    let kind = message.first_chunk().map(|kind| u16::from_be_bytes(*kind));
    matches!(kind, Some(SUCCESS | REFUSAL)) && message.get(8..HEADER) == Some(id.as_bytes())
}

fn request(id: &str, credentials: Credentials<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    let user = format!("{}:{}", credentials.theirs, credentials.ours);
    attribute(&mut body, USERNAME, user.as_bytes());
    attribute(&mut body, PRIORITY, &PRIORITY_VALUE.to_be_bytes());
    attribute(&mut body, ICE_CONTROLLING, &[7; 8]);
    let key = hmac::Key::new(
        hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        credentials.password.as_bytes(),
    );
    let signed = hmac::sign(&key, &message(id, &body, INTEGRITY));
    attribute(&mut body, MESSAGE_INTEGRITY, signed.as_ref());
    let checksum = crc32(&message(id, &body, CHECKSUM)) ^ FINGERPRINT_XOR;
    attribute(&mut body, FINGERPRINT, &checksum.to_be_bytes());
    message(id, &body, 0)
}

/// A message whose header already counts `more` bytes to come, as both attributes at the end want
/// it.
fn message(id: &str, body: &[u8], more: usize) -> Vec<u8> {
    let length = u16::try_from(body.len() + more).unwrap_or(u16::MAX);
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(BINDING.to_be_bytes());
    message.extend(length.to_be_bytes());
    message.extend(COOKIE.to_be_bytes());
    message.extend(id.as_bytes());
    message.extend(body);
    message
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend(kind.to_be_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// CRC-32 of ISO 3309, bit by bit: messages are short.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let odd = crc & 1 == 1;
            crc = (crc >> 1) ^ if odd { 0xEDB8_8320 } else { 0 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn only_an_answer_to_this_request_counts() {
        let answer =
            |kind: u16, id: &str| [&kind.to_be_bytes()[..], &[0; 6], id.as_bytes()].concat();
        assert!(is_answer(&answer(SUCCESS, "0123456789ab"), "0123456789ab"));
        assert!(is_answer(&answer(REFUSAL, "0123456789ab"), "0123456789ab"));
        assert!(!is_answer(&answer(SUCCESS, "0123456789ac"), "0123456789ab"));
        assert!(!is_answer(&answer(BINDING, "0123456789ab"), "0123456789ab"));
        assert!(!is_answer(b"\x01", "0123456789ab"));
    }
}
