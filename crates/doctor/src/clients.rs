//! Clients of the field, one file a family: what each of them is known to want, and where that was read.

mod eyevinn;
mod ffmpeg;
mod gstreamer;
mod larix;
mod mediamtx;
mod obs;
mod red5;
mod red5_links;
pub(crate) mod rfc;
mod simple_whip;
mod whip_go;
mod whip_whep_js;

use crate::client::Client;

/// All of them, in the order of the report: the standard first, then whom a Red5 operator is likely to meet.
pub(crate) const ALL: [&Client; 21] = [
    &rfc::WHIP,
    &rfc::WHEP,
    &red5::V11_WHIP,
    &red5::V11_WHEP,
    &red5::V12_WHIP,
    &red5::V12_WHEP,
    &red5::V15_WHIP,
    &red5::V15_WHEP,
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
    &mediamtx::READER,
    &whip_go::WHIP_GO,
];
