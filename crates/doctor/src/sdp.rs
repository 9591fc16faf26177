//! Session descriptions as clients send them. No media ever flows: credentials are random, and the
//! one candidate is the discard port of the reader's own machine.

use std::{
    fmt::Write as _,
    hash::{BuildHasher as _, Hasher as _, RandomState},
};

use crate::Role;

/// Port 9 is the discard port; loopback keeps the server's checks on its own machine.
const CANDIDATE: &str = "candidate:1 1 udp 2130706431 127.0.0.1 9 typ host";

/// This many characters `0-9a-f`, different each time. They are not secret: they identify sessions
/// that last a second.
pub(crate) fn random_hex(letters: usize) -> String {
    let mut text = String::new();
    while text.len() < letters {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_usize(text.len());
        // Writing into a text cannot fail.
        let _ = write!(text, "{:016x}", hasher.finish());
    }
    text.truncate(letters);
    text
}

/// One side's ICE credentials and certificate.
pub(crate) struct Side {
    ufrag: String,
    pwd: String,
    fingerprint: String,
}

impl Side {
    /// A new one.
    pub(crate) fn new() -> Self {
        let digest = random_hex(64).to_ascii_uppercase();
        let pairs: Vec<&str> = (0..32)
            .filter_map(|at| digest.get(at * 2..at * 2 + 2))
            .collect();
        Self {
            ufrag: random_hex(8),
            pwd: random_hex(24),
            fingerprint: pairs.join(":"),
        }
    }

    /// Its ICE user fragment.
    pub(crate) fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// An offer to send, or to receive, Opus and H.264 (RFC 9725 §4.2, draft-ietf-wish-whep §4.2).
    pub(crate) fn offer(&self, role: Role) -> String {
        let direction = match role {
            Role::Publish => "sendonly",
            Role::Play => "recvonly",
        };
        let session = random_hex(15).replace(|letter: char| !letter.is_ascii_digit(), "1");
        let mut sdp = format!(
            "v=0\r\no=- {session} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=msid-semantic: WMS doctor\r\n"
        );
        let audio = "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n";
        let video = "a=rtpmap:96 H264/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
                     a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n";
        for (mid, kind, payload, codec, ssrc) in [
            (0, "audio", 111, audio, 1_111),
            (1, "video", 96, video, 2_222),
        ] {
            let transport = self.transport("actpass");
            let _ = write!(
                sdp,
                "m={kind} 9 UDP/TLS/RTP/SAVPF {payload}\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n{transport}\
                 a=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\n{codec}"
            );
            if role == Role::Publish {
                let _ = write!(
                    sdp,
                    "a=msid:doctor {kind}\r\na=ssrc:{ssrc} cname:doctor\r\n"
                );
            }
        }
        sdp
    }

    /// The answer to a server's offer: everything is received, nothing refused.
    pub(crate) fn answer(&self, offer: &str) -> String {
        let mut sdp = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n".to_owned();
        let mut sections = offer.split("\nm=");
        let session = sections.next().unwrap_or_default();
        if let Some(group) = lines(session).find(|line| line.starts_with("a=group:BUNDLE")) {
            let _ = write!(sdp, "{group}\r\n");
        }
        // As many as a browser would ever be offered.
        for section in sections.take(32) {
            self.accept(section, &mut sdp);
        }
        sdp
    }

    fn accept(&self, section: &str, sdp: &mut String) {
        let first = lines(section).next().unwrap_or_default();
        let mut words = first.split(' ');
        let (kind, _, protocol) = (words.next(), words.next(), words.next());
        let (kind, protocol) = (kind.unwrap_or_default(), protocol.unwrap_or_default());
        let payload = words.next().unwrap_or_default();
        let transport = self.transport("active");
        let _ = write!(
            sdp,
            "m={kind} 9 {protocol} {payload}\r\nc=IN IP4 0.0.0.0\r\n{transport}"
        );
        let about = [
            format!("a=rtpmap:{payload} "),
            format!("a=fmtp:{payload} "),
            "a=mid:".to_owned(),
            "a=sctp-port:".to_owned(),
        ];
        for line in lines(section).filter(|line| about.iter().any(|start| line.starts_with(start)))
        {
            let _ = write!(sdp, "{line}\r\n");
        }
        if kind != "application" {
            sdp.push_str("a=recvonly\r\na=rtcp-mux\r\n");
        }
    }

    fn transport(&self, setup: &str) -> String {
        format!(
            "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=ice-options:trickle\r\na=fingerprint:sha-256 {}\r\na=setup:{setup}\r\n",
            self.ufrag, self.pwd, self.fingerprint
        )
    }

    /// One candidate and the end of them (RFC 8840 §9).
    pub(crate) fn fragment(&self) -> String {
        format!(
            "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na={CANDIDATE}\r\na=end-of-candidates\r\n",
            self.ufrag, self.pwd
        )
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_hex_differs_and_has_its_length() {
        assert_eq!(random_hex(24).len(), 24);
        assert_ne!(random_hex(24), random_hex(24));
        assert!(random_hex(100).bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn an_answer_mirrors_the_offer() {
        let (server, player) = (Side::new(), Side::new());
        let answer = player.answer(&server.offer(Role::Publish));
        for line in [
            "a=group:BUNDLE 0 1",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111",
            "m=video 9 UDP/TLS/RTP/SAVPF 96",
            "a=rtpmap:111 opus/48000/2",
            "a=mid:1",
            "a=setup:active",
        ] {
            assert!(answer.contains(&format!("{line}\r\n")), "{line}\n{answer}");
        }
        assert!(!answer.contains(&server.ufrag));
        assert!(answer.contains(&player.ufrag));
        assert!(!answer.contains("sendonly"));
        assert!(answer.ends_with("\r\n"));
    }
}
