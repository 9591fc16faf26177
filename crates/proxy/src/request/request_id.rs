//! `X-Request-Id`: the id of an exchange, which the log, problems, nodes and the manager share.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries the id of an exchange, in both directions.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken from a client, in characters.
const MAX_REQUEST_ID: usize = 64;

/// The id that the client sent, if it fits into a log line and a URL unchanged.
pub(super) fn client_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let fits = (1..=MAX_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(harmless);
    fits.then(|| id.clone())
}

/// 16 hexadecimal digits: unique in this process, and unlikely to be used in another.
pub(crate) fn new_id() -> HeaderValue {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = SEED.hash_one(COUNT.fetch_add(1, Ordering::Relaxed));
    let digits: [u8; 16] = std::array::from_fn(|place| digit(id >> (60 - 4 * place)));
    HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static("-"))
}

/// The last four bits as a hexadecimal digit.
fn digit(bits: u64) -> u8 {
    match u8::try_from(bits & 0xf).unwrap_or_default() {
        number @ 0..=9 => b'0' + number,
        letter => b'a' + letter - 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exchange;

    #[test]
    fn a_clients_id_is_kept_if_it_is_harmless() {
        let id = |value: &'static str| {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(value))]);
            Exchange::begin(&headers, None).id().to_owned()
        };
        assert_eq!(id("abc-123_X.y"), "abc-123_X.y");
        for bad in ["", "a b", "a\"b", "a/b"] {
            assert_eq!(id(bad).len(), 16, "{bad:?}");
        }
        assert_ne!(id(""), id(""));
    }
}
