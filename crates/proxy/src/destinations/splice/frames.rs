//! Knows where frames begin and end in a stream of bytes (RFC 6455 §5.2), so that a Close can be
//! put between two.
//!
//! Only headers are parsed, 2 to 14 bytes a frame; payloads are skipped by their length.

use std::io::Cursor;

use hyper_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, OpCode},
};

/// Longest frame header: 2 bytes, 8 of length, 4 of mask.
const MAX_HEADER: usize = 14;

/// Follows one direction of a WebSocket.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; MAX_HEADER],
    header_len: usize,
    payload_left: u64,
    closed: bool,
    said: Said,
    /// A header that RFC 6455 does not know went by: where frames begin is no longer known.
    lost: bool,
}

impl Frames {
    /// Whether a frame could begin here.
    pub(super) fn at_boundary(&self) -> bool {
        !self.lost && self.header_len == 0 && self.payload_left == 0
    }

    /// Whether a Close frame began: nothing of ours may follow it.
    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// The code of the first Close, if it has one and that has passed.
    pub(super) fn close_code(&self) -> Option<u16> {
        self.said.code()
    }

    /// Follows all of `bytes`.
    pub(super) fn follow(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = self.step(rest);
        }
    }

    /// Follows `bytes` up to the next boundary; how many that were.
    pub(super) fn follow_to_boundary(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() && !self.at_boundary() {
            rest = self.step(rest);
        }
        bytes.len() - rest.len()
    }

    /// Takes a piece of payload, or one byte of a header.
    fn step<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if self.lost {
            return &[];
        }
        if self.payload_left > 0 {
            let taken = usize::try_from(self.payload_left)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            self.payload_left -= taken as u64;
            self.said.hear(bytes.get(..taken).unwrap_or_default());
            return bytes.get(taken..).unwrap_or_default();
        }
        let (Some((first, rest)), Some(slot)) =
            (bytes.split_first(), self.header.get_mut(self.header_len))
        else {
            self.lost = true;
            return &[];
        };
        *slot = *first;
        self.header_len += 1;
        self.parse_header();
        rest
    }

    fn parse_header(&mut self) {
        // The second byte gives the length of the header; an incomplete header is not parsed.
        let [_, second, ..] = self.header;
        let length = match second & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        } + if second & 0x80 == 0 { 0 } else { 4 };
        if self.header_len < 2 || self.header_len < length {
            return;
        }
        let parsed = FrameHeader::parse(&mut Cursor::new(
            self.header.get(..length).unwrap_or_default(),
        ));
        match parsed {
            Ok(Some((header, payload))) => {
                let closes = header.opcode == OpCode::Control(Control::Close);
                if closes && !self.closed {
                    self.said = Said::begins(header.mask);
                } else {
                    self.said.is_over();
                }
                self.closed |= closes;
                self.payload_left = payload;
                self.header_len = 0;
            }
            _ => self.lost = true,
        }
    }
}

/// The first two bytes of a Close, which are its code if it has one (RFC 6455 §5.5.1).
#[derive(Debug, Default)]
struct Said {
    mask: [u8; 2],
    code: [u8; 2],
    heard: usize,
    listens: bool,
}

impl Said {
    fn begins(mask: Option<[u8; 4]>) -> Self {
        let [first, second, ..] = mask.unwrap_or_default();
        Self {
            mask: [first, second],
            listens: true,
            ..Self::default()
        }
    }

    /// Another frame begins.
    fn is_over(&mut self) {
        self.listens = false;
    }

    fn hear(&mut self, payload: &[u8]) {
        if !self.listens {
            return;
        }
        let places = self.code.iter_mut().zip(self.mask).skip(self.heard);
        for ((place, mask), byte) in places.zip(payload) {
            *place = byte ^ mask;
            self.heard += 1;
        }
    }

    fn code(&self) -> Option<u16> {
        (self.heard == self.code.len()).then(|| u16::from_be_bytes(self.code))
    }
}

#[cfg(test)]
mod tests {
    use hyper_tungstenite::tungstenite::protocol::{
        CloseFrame,
        frame::{Frame, coding::Data},
    };
    use proptest::prelude::*;

    use super::*;
    use crate::destinations::splice::goodbye::Goodbye;

    fn frame(len: usize, masked: bool) -> Vec<u8> {
        let mut frame = Frame::message(vec![b'x'; len], OpCode::Data(Data::Binary), true);
        frame.header_mut().mask = masked.then_some([1, 2, 3, 4]);
        let mut bytes = Vec::new();
        frame.format(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_close_is_seen() {
        let mut frames = Frames::default();
        frames.follow(&frame(5, true));
        assert!(!frames.closed());
        frames.follow(&Goodbye::Draining.frame(true));
        assert!(frames.closed() && frames.at_boundary());
    }

    #[test]
    fn the_code_of_the_first_close_is_heard_however_it_is_cut() {
        let close = |code: u16, masked| {
            let close = CloseFrame {
                code: code.into(),
                reason: "bye".into(),
            };
            let mut frame = Frame::close(Some(close));
            frame.header_mut().mask = Some([9, 8, 7, 6]).filter(|_| masked);
            let mut bytes = Vec::new();
            frame.format(&mut bytes).unwrap();
            bytes
        };
        for masked in [true, false] {
            let mut whole = frame(300, masked);
            whole.extend(close(4001, masked));
            whole.extend(close(4002, masked));
            for cut in 1..whole.len() {
                let mut frames = Frames::default();
                whole.chunks(cut).for_each(|piece| frames.follow(piece));
                assert_eq!(frames.close_code(), Some(4001), "{cut}");
            }
        }
        let mut frames = Frames::default();
        frames.follow(&[0x88, 0x80, 1, 2, 3, 4]);
        frames.follow(&frame(9, true));
        assert_eq!(frames.close_code(), None);
    }

    #[test]
    fn what_is_not_a_frame_has_no_boundary() {
        let mut frames = Frames::default();
        frames.follow(&[0x83, 0x00]);
        assert!(!frames.at_boundary());
        frames.follow(b"more");
        assert!(!frames.at_boundary());
    }

    #[test]
    fn an_endless_frame_is_no_overflow() {
        let mut frames = Frames::default();
        frames.follow(&[0x82, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        frames.follow(&[0; 1000]);
        assert!(!frames.at_boundary());
    }

    proptest! {
        /// However a stream is cut into pieces, boundaries lie where frames end and nowhere else.
        #[test]
        fn boundaries_lie_between_frames(
            lengths in prop::collection::vec((prop_oneof![0usize..130, 65_530usize..65_540], any::<bool>()), 1..6),
            cuts in prop::collection::vec(1usize..5000, 1..200),
        ) {
            let mut stream = Vec::new();
            let mut ends = vec![0];
            for (length, masked) in lengths {
                stream.extend(frame(length, masked));
                ends.push(stream.len());
            }
            let mut frames = Frames::default();
            let (mut at, mut cuts) = (0, cuts.iter().cycle());
            while at < stream.len() {
                prop_assert_eq!(frames.at_boundary(), ends.contains(&at));
                let next = (at + cuts.next().unwrap()).min(stream.len());
                frames.follow(&stream[at..next]);
                at = next;
            }
            prop_assert!(frames.at_boundary());
        }

        #[test]
        fn the_next_boundary_is_found(length in 0usize..200, at in 1usize..10) {
            let one = frame(length, true);
            let at = at.min(one.len() - 1);
            let mut frames = Frames::default();
            frames.follow(&one[..at]);
            let mut rest = one[at..].to_vec();
            rest.extend(frame(7, true));
            prop_assert_eq!(frames.follow_to_boundary(&rest), one.len() - at);
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut frames = Frames::default();
            frames.follow(&bytes);
        }
    }
}
