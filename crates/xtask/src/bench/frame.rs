//! Just enough of WebSocket framing for an echo (RFC 6455 §5.2).

/// Opcode of a frame with bytes in it.
const BINARY: u8 = 2;
/// Opcode of the frame that ends a connection.
pub(super) const CLOSE: u8 = 8;
/// Set in the first byte of a message's last frame.
const FINAL: u8 = 0x80;
/// Set in the second byte of a frame that a client wrote.
const MASKED: u8 = 0x80;
/// One key for all: masking guards caches from scripts, and there are neither here.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame found at the front of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// What kind it is.
    pub(super) opcode: u8,
    /// Its payload without the mask.
    pub(super) payload: Vec<u8>,
    /// How many bytes of the buffer it took.
    pub(super) taken: usize,
}

/// A frame as a client writes it.
pub(super) fn from_client(payload: &[u8]) -> Vec<u8> {
    let mut frame = header(BINARY, payload.len(), MASKED);
    frame.extend(KEY);
    frame.extend(masked(payload, KEY));
    frame
}

/// A frame as a node writes it.
pub(super) fn from_node(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(opcode, payload.len(), 0);
    frame.extend_from_slice(payload);
    frame
}

/// The echo of a binary frame as a node writes it.
pub(super) fn echo_of(payload: &[u8]) -> Vec<u8> {
    from_node(BINARY, payload)
}

/// The whole frame at the front of `bytes`, or `None` while some of it is still to come.
pub(super) fn front(bytes: &[u8]) -> Option<Frame> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match second & 0x7f {
        0x7e => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        0x7f => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        short => (usize::from(short), rest),
    };
    let (key, rest) = match second & MASKED {
        0 => ([0; 4], rest),
        _ => rest.split_first_chunk().map(|(key, rest)| (*key, rest))?,
    };
    let (payload, rest) = rest.split_at_checked(length)?;
    Some(Frame {
        opcode: first & 0x0f,
        payload: masked(payload, key),
        taken: bytes.len() - rest.len(),
    })
}

fn header(opcode: u8, length: usize, masked: u8) -> Vec<u8> {
    let first = FINAL | opcode;
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => vec![first, masked | short],
        (_, Ok(medium)) => {
            let [high, low] = medium.to_be_bytes();
            vec![first, masked | 0x7e, high, low]
        }
        _ => {
            let mut header = vec![first, masked | 0x7f];
            header.extend((length as u64).to_be_bytes());
            header
        }
    }
}

fn masked(bytes: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    // Sixteen at once, which the compiler turns into one instruction: the node must not be what the
    // bench measures.
    let [a, b, c, d] = key;
    let wide = [a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d];
    for block in bytes.chunks_mut(wide.len()) {
        for (byte, key) in block.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_survives_both_ways() {
        for length in [0, 1, 125, 126, 16 * 1024, 70_000] {
            let payload: Vec<u8> = (0..=255).cycle().take(length).collect();
            for frame in [from_client(&payload), echo_of(&payload)] {
                let found = front(&frame).unwrap();
                assert_eq!(found.opcode, BINARY);
                assert_eq!(found.payload, payload);
                assert_eq!(found.taken, frame.len());
            }
        }
    }

    #[test]
    fn a_part_of_a_frame_is_none_and_the_next_frame_is_left() {
        let mut bytes = from_client(b"hello");
        let length = bytes.len();
        for end in 0..length {
            assert_eq!(front(&bytes[..end]), None);
        }
        bytes.extend(from_client(b"again"));
        assert_eq!(front(&bytes).unwrap().taken, length);
    }
}
