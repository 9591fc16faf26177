//! ICE checks without PRIORITY.
//!
//! A check must say its priority (RFC 8445 §7.1.1), and str0m drops one that does not. FFmpeg 8.0's
//! WHIP muxer sends none, and media servers in the field forgive it, as a lite agent has no use for
//! it. So here it is added, before str0m reads.

use str0m::IceCreds;
use str0m::crypto::Sha1HmacProvider;

const HEADER: usize = 20;
const BINDING_REQUEST: u16 = 0x0001;
const MAGIC_COOKIE: u32 = 0x2112_a442;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const PRIORITY: u16 = 0x0024;
const FINGERPRINT: u16 = 0x8028;
const FINGERPRINT_XOR: u32 = 0x5354_554e;
/// Of a peer-reflexive candidate of component 1, the highest local preference (RFC 8445 §5.1.2.1).
const PEER_REFLEXIVE: u32 = (110 << 24) | (65_535 << 8) | 255;

/// A check without PRIORITY, whole and well-formed otherwise.
pub(super) struct Incomplete<'a> {
    /// The message up to MESSAGE-INTEGRITY.
    signed: &'a [u8],
    /// The digest in MESSAGE-INTEGRITY.
    digest: &'a [u8],
    local: &'a str,
}

impl<'a> Incomplete<'a> {
    /// Reads a datagram; none if it is anything else.
    pub(super) fn read(datagram: &'a [u8]) -> Option<Self> {
        let length = usize::from(u16_at(datagram, 2)?);
        let cookie = [u16_at(datagram, 4)?, u16_at(datagram, 6)?];
        let is_check = u16_at(datagram, 0)? == BINDING_REQUEST
            && (u32::from(cookie[0]) << 16 | u32::from(cookie[1])) == MAGIC_COOKIE
            && datagram.len() == HEADER + length;
        let (mut at, mut local) = (is_check.then_some(HEADER)?, None);
        loop {
            let (kind, length) = (
                u16_at(datagram, at)?,
                usize::from(u16_at(datagram, at + 2)?),
            );
            let value = datagram.get(at + 4..at + 4 + length)?;
            match kind {
                PRIORITY => return None,
                USERNAME => local = std::str::from_utf8(value).ok()?.split(':').next(),
                MESSAGE_INTEGRITY => {
                    return Some(Self {
                        signed: datagram.get(..at)?,
                        digest: value,
                        local: local?,
                    });
                }
                _ => {}
            }
            at += 4 + length.next_multiple_of(4);
        }
    }

    /// Whether it is meant for the session with these credentials.
    pub(super) fn is_for(&self, ours: &IceCreds) -> bool {
        self.local == ours.ufrag
    }

    /// The check with a priority added, signed again; none if it was not signed with this password.
    pub(super) fn complete(&self, ours: &IceCreds, hmac: &dyn Sha1HmacProvider) -> Option<Vec<u8>> {
        let sign = |message: &[u8]| hmac.sha1_hmac(ours.pass.as_bytes(), &[message]);
        let mut message = self.signed.to_vec();
        set_length(&mut message, 24)?;
        if sign(&message) != *self.digest {
            return None;
        }
        append(&mut message, PRIORITY, &PEER_REFLEXIVE.to_be_bytes());
        set_length(&mut message, 24)?;
        let digest = sign(&message);
        append(&mut message, MESSAGE_INTEGRITY, &digest);
        set_length(&mut message, 8)?;
        let fingerprint = crc32(&message) ^ FINGERPRINT_XOR;
        append(&mut message, FINGERPRINT, &fingerprint.to_be_bytes());
        Some(message)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes(pair.try_into().ok()?))
}

/// Writes into the header how long the message is once `more` bytes have followed (RFC 8489 §14.5).
fn set_length(message: &mut [u8], more: usize) -> Option<()> {
    let length = u16::try_from(message.len() + more - HEADER).ok()?;
    message
        .get_mut(2..4)?
        .copy_from_slice(&length.to_be_bytes());
    Some(())
}

/// Adds an attribute whose value needs no padding.
fn append(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(kind.to_be_bytes());
    message.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
    message.extend(value);
}

/// CRC-32 of ITU V.42, which FINGERPRINT contains (RFC 8489 §14.7).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use str0m::crypto::from_feature_flags;

    use super::*;

    fn ours() -> IceCreds {
        IceCreds {
            ufrag: "node".to_owned(),
            pass: "a password of the node".to_owned(),
        }
    }

    /// As FFmpeg 8.0 makes it: USERNAME, USE-CANDIDATE, MESSAGE-INTEGRITY, FINGERPRINT.
    fn check(password: &str) -> Vec<u8> {
        let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        message.extend([7; 12]);
        append(&mut message, USERNAME, b"node:1234567");
        append(&mut message, 0x0025, b"");
        set_length(&mut message, 24).unwrap();
        let digest = from_feature_flags()
            .sha1_hmac_provider
            .sha1_hmac(password.as_bytes(), &[&message]);
        append(&mut message, MESSAGE_INTEGRITY, &digest);
        set_length(&mut message, 8).unwrap();
        let fingerprint = crc32(&message) ^ FINGERPRINT_XOR;
        append(&mut message, FINGERPRINT, &fingerprint.to_be_bytes());
        message
    }

    #[test]
    fn the_priority_is_added_and_the_rest_stays() {
        let check = check(&ours().pass);
        let read = Incomplete::read(&check).unwrap();
        assert!(read.is_for(&ours()));
        let hmac = from_feature_flags().sha1_hmac_provider;
        let whole = read.complete(&ours(), hmac).unwrap();
        assert!(Incomplete::read(&whole).is_none(), "nothing is missing now");
        assert_eq!(whole.len(), check.len() + 8);
        assert_eq!(whole[4..40], check[4..40]);
    }

    #[test]
    fn only_checks_signed_with_the_password_are_completed() {
        let check = check("another password");
        let read = Incomplete::read(&check).unwrap();
        let hmac = from_feature_flags().sha1_hmac_provider;
        assert!(read.complete(&ours(), hmac).is_none());
    }

    #[test]
    fn no_cut_is_read() {
        let check = check(&ours().pass);
        for length in 0..check.len() {
            assert!(Incomplete::read(&check[..length]).is_none());
        }
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
