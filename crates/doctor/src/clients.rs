//! The simulated clients, one file a family: what each of them requires, and the source of that.

mod eyevinn;
mod ffmpeg;
mod gstreamer;
mod larix;
mod mediamtx;
mod obs;
mod red5;
mod red5_apps;
mod red5_links;
pub(crate) mod rfc;
mod simple_whip;
mod whip_go;
mod whip_whep_js;

use crate::client::Client;

/// All of them, in the order of the report: the standard first, then the clients that Red5
/// operators meet most.
pub(crate) const ALL: [&Client; 25] = [
    &rfc::WHIP,
    &rfc::WHEP,
    &red5::V11_WHIP,
    &red5::V11_WHEP,
    &red5::V12_WHIP,
    &red5::V12_WHEP,
    &red5::V15_WHIP,
    &red5::V15_WHEP,
    &red5_apps::RENEGOTIATION,
    &red5_apps::CONFERENCE,
    &red5_apps::PLAYER,
    &obs::OBS,
    &gstreamer::WHIPSINK,
    &gstreamer::WHEPSRC,
    &gstreamer::WHEPCLIENTSRC,
    &ffmpeg::FFMPEG,
    &larix::LARIX,
    &simple_whip::SIMPLE_WHIP,
    &eyevinn::EYEVINN,
    &whip_whep_js::WHIP,
    &whip_whep_js::WHEP,
    &mediamtx::GO,
    &mediamtx::GO_PLAYER,
    &mediamtx::READER,
    &whip_go::WHIP_GO,
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_client_has_a_name_of_its_own_and_every_rule_a_source() {
        let ids: HashSet<_> = ALL.iter().map(|client| client.id).collect();
        let names: HashSet<_> = ALL.iter().map(|client| client.name).collect();
        assert_eq!((ids.len(), names.len()), (ALL.len(), ALL.len()));
        for client in ALL {
            let rules: HashSet<_> = client.rules.iter().map(|rule| rule.name).collect();
            assert_eq!(rules.len(), client.rules.len(), "{}", client.id);
            for rule in client.rules {
                assert!(rule.source.len() > 10, "{}: {}", client.id, rule.name);
            }
        }
    }
}
