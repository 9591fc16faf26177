//! The part of protobuf that writes a message and reads one number of an answer (Protocol Buffers
//! documentation, Encoding).

/// How a field is written; the low bits of its key.
const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const LENGTH: u8 = 2;
const FIXED_32: u8 = 5;

/// A message that is being written.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// `int32`, `int64`, `uint32`, `uint64` from 0 on, `bool` or an enumeration.
    pub(super) fn number(&mut self, field: u8, number: u64) {
        self.key(field, VARINT);
        self.varint(number);
    }

    /// `fixed64`.
    pub(super) fn fixed_64(&mut self, field: u8, number: u64) {
        self.key(field, FIXED_64);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// `fixed32`.
    pub(super) fn fixed_32(&mut self, field: u8, number: u32) {
        self.key(field, FIXED_32);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// `bytes`.
    pub(super) fn bytes(&mut self, field: u8, bytes: &[u8]) {
        self.key(field, LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// `string`.
    pub(super) fn text(&mut self, field: u8, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    /// A message within.
    pub(super) fn message(&mut self, field: u8, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn key(&mut self, field: u8, kind: u8) {
        self.varint((u64::from(field) << 3) | u64::from(kind));
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }
}

/// What a field of a message that was received holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Field<'m> {
    Number(u64),
    Bytes(&'m [u8]),
}

/// The last field of this number, as protobuf has it; none if there is none, or the message is
/// broken before its end.
pub(super) fn find(mut message: &[u8], wanted: u64) -> Option<Field<'_>> {
    let mut found = None;
    while !message.is_empty() {
        let key = read_varint(&mut message)?;
        let field = match (key & 7) as u8 {
            VARINT => Field::Number(read_varint(&mut message)?),
            LENGTH => {
                let length = usize::try_from(read_varint(&mut message)?).ok()?;
                Field::Bytes(take(&mut message, length)?)
            }
            FIXED_64 => Field::Bytes(take(&mut message, 8)?),
            FIXED_32 => Field::Bytes(take(&mut message, 4)?),
            _ => return None,
        };
        if key >> 3 == wanted {
            found = Some(field);
        }
    }
    found
}

fn take<'m>(message: &mut &'m [u8], length: usize) -> Option<&'m [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

fn read_varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The examples of the documentation.
    #[test]
    fn fields_are_written_as_documented() {
        let mut message = Message::default();
        message.number(1, 150);
        message.text(2, "testing");
        message.message(3, |inner| inner.number(1, 150));
        let bytes = message.into_bytes();
        assert_eq!(bytes, b"\x08\x96\x01\x12\x07testing\x1a\x03\x08\x96\x01");
        assert_eq!(find(&bytes, 1), Some(Field::Number(150)));
        assert_eq!(find(&bytes, 2), Some(Field::Bytes(b"testing")));
        assert_eq!(find(&bytes, 4), None);
        assert_eq!(find(&bytes[..bytes.len() - 1], 1), None);
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(number in any::<u64>(), other in any::<u32>()) {
            let mut message = Message::default();
            message.fixed_32(5, other);
            message.fixed_64(6, number);
            message.number(16, number);
            let bytes = message.into_bytes();
            prop_assert_eq!(find(&bytes, 16), Some(Field::Number(number)));
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            find(&bytes, 1);
        }
    }
}
