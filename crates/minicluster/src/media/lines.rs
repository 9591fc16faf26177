//! The media lines of an SDP answer of ours: `Event::MediaAdded` reports them only once the peer is
//! connected, and a stream's media must be known before that.

use str0m::media::Mid;

/// The first accepted line of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) audio: Option<Mid>,
    pub(super) video: Option<Mid>,
}

impl Lines {
    /// Read an answer; `direction` is what a line has to be, unless it is `sendrecv`.
    pub(super) fn of_answer(sdp: &str, direction: &str) -> Self {
        let mut lines = Self::default();
        for section in sdp.split("\nm=").skip(1) {
            let mut attributes = section.lines().map(str::trim);
            let (Some(first), Some(mid)) = (attributes.next(), mid(section)) else {
                continue;
            };
            let mut flows = section
                .lines()
                .filter_map(|line| line.trim().strip_prefix("a="));
            let rejected = first.split(' ').nth(1) == Some("0");
            if rejected || !flows.any(|attribute| attribute == direction || attribute == "sendrecv")
            {
                continue;
            }
            let slot = if first.starts_with("audio ") {
                &mut lines.audio
            } else if first.starts_with("video ") {
                &mut lines.video
            } else {
                continue;
            };
            slot.get_or_insert(mid);
        }
        lines
    }
}

fn mid(section: &str) -> Option<Mid> {
    section
        .lines()
        .find_map(|line| line.trim().strip_prefix("a=mid:"))
        .map(Mid::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_accepted_lines_of_the_direction_count() {
        let sdp = "v=0\r\na=group:BUNDLE 0 1\r\nm=audio 9 X 111\r\na=mid:0\r\na=recvonly\r\nm=video 0 X 96\r\na=mid:1\r\n\
                   a=recvonly\r\nm=video 9 X 96\r\na=mid:2\r\na=sendrecv\r\nm=application 9 X\r\na=mid:3\r\n";
        let lines = Lines::of_answer(sdp, "recvonly");
        assert_eq!(
            lines,
            Lines {
                audio: Some(Mid::from("0")),
                video: Some(Mid::from("2"))
            }
        );
        assert_eq!(Lines::of_answer(sdp, "sendonly").audio, None);
    }
}
