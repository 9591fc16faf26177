//! GStreamer's WHIP and WHEP elements in the smallest pipeline that uses them: `gstreamer-client
//! ELEMENT URL [TRACKS]`.
//!
//! The element is unmodified, but confined to loopback ([`confine`]). A player prints `playing`
//! when enough of each track has arrived: of audio and video, unless TRACKS is 1. It ends when its
//! standard input does, and at the first error, which it prints.

mod confine;

use std::env;
use std::error::Error;
use std::io::Read as _;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use gst::glib;
use gst::prelude::*;

const PICTURE: &str = "videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=15/1";
const SOUND: &str = "audiotestsrc is-live=true ! audioconvert ! audio/x-raw,rate=48000,channels=2";
const VP8: &str =
    "vp8enc deadline=1 keyframe-max-dist=15 ! rtpvp8pay ! application/x-rtp,payload=96";
const OPUS: &str = "opusenc ! rtpopuspay ! application/x-rtp,payload=97";

/// What `whepsrc` offers by default, but for the channels, without which Opus is not to be named
/// (RFC 7587 §7).
const STEREO: &str = "application/x-rtp,media=audio,payload=96,encoding-name=OPUS,clock-rate=48000,encoding-params=(string)2";

/// Buffers of a track after which it counts as played: packets of `whepsrc`, decoded frames of
/// `whepclientsrc`.
const ENOUGH: u32 = 20;

const USAGE: &str =
    "usage: gstreamer-client whipsink|whipclientsink|whepsrc|whepclientsrc URL [TRACKS]";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let mut words = env::args().skip(1);
    let (Some(element), Some(url)) = (words.next(), words.next()) else {
        return Err(USAGE.into());
    };
    let tracks = words.next().map_or(Ok(2), |word| word.parse())?;
    gst::init()?;
    gstwebrtchttp::plugin_register_static()?;
    gstrswebrtc::plugin_register_static()?;
    let pipeline = gst::Pipeline::new();
    confine::elements_of(pipeline.upcast_ref(), &env::var("DTLS_CERTIFICATE")?);
    pipeline.add(&client(&element, &url, tracks)?)?;
    report_errors(&pipeline)?;

    pipeline.set_state(gst::State::Playing)?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    pipeline.set_state(gst::State::Null)?;
    Ok(())
}

/// The element, with what it publishes before it or what it plays behind it.
fn client(element: &str, url: &str, tracks: u32) -> Outcome<gst::Bin> {
    let around = match element {
        "whipsink" => format!("{PICTURE} ! {VP8} ! http. {SOUND} ! {OPUS} ! http."),
        "whipclientsink" => format!("{PICTURE} ! http. {SOUND} ! http."),
        _ => String::new(),
    };
    let bin = gst::parse::bin_from_description(&format!("{element} name=http {around}"), false)?;
    let http = bin.by_name("http").ok_or("no client")?;
    match element {
        "whipsink" => http.set_property("whip-endpoint", url),
        "whepsrc" => {
            http.set_property("whep-endpoint", url);
            http.set_property_from_str("audio-caps", STEREO);
        }
        _ => high_level(&http, url)?,
    }
    if element.ends_with("src") {
        play(&http, &bin, tracks);
    }
    Ok(bin)
}

/// The two that choose codecs and make sessions themselves.
fn high_level(http: &gst::Element, url: &str) -> Outcome {
    // Google's by default.
    http.set_property("stun-server", None::<String>);
    let signaller = http.property::<glib::Object>("signaller");
    if signaller.has_property("whep-endpoint") {
        signaller.set_property("whep-endpoint", url);
        return Ok(());
    }
    signaller.set_property("whip-endpoint", url);
    http.set_property("video-caps", gst::Caps::builder("video/x-vp8").build());
    http.set_property_from_str("congestion-control", "disabled");
    let pem = env::var("DTLS_CERTIFICATE")?;
    http.connect("consumer-pipeline-created", false, move |values| {
        let session = values.get(2)?.get::<gst::Pipeline>().ok()?;
        confine::elements_of(session.upcast_ref(), &pem);
        None
    });
    Ok(())
}

/// Counts the buffers of each track, and prints `playing` when this many tracks have enough.
fn play(http: &gst::Element, bin: &gst::Bin, tracks: u32) {
    let (bin, missing) = (bin.downgrade(), Arc::new(AtomicU32::new(tracks)));
    http.connect_pad_added(move |_, pad| {
        if let Some(bin) = bin.upgrade()
            && let Err(error) = count(pad, &bin, &missing)
        {
            eprintln!("{}: {error}", pad.name());
            process::exit(1);
        }
    });
}

fn count(pad: &gst::Pad, bin: &gst::Bin, missing: &Arc<AtomicU32>) -> Outcome {
    // `whepclientsrc` decodes if the element after it requires raw media.
    let wanted = match pad.name().split('_').next() {
        Some("video") => "video/x-raw",
        Some("audio") => "audio/x-raw",
        _ => "application/x-rtp",
    };
    let description =
        format!("queue ! {wanted} ! fakesink name=end signal-handoffs=true sync=false async=false");
    let branch = gst::parse::bin_from_description(&description, true)?;
    let end = branch.by_name("end").ok_or("no end")?;
    let (missing, seen) = (missing.clone(), AtomicU32::new(0));
    end.connect("handoff", false, move |_| {
        if seen.fetch_add(1, Ordering::Relaxed) + 1 == ENOUGH
            && missing.fetch_sub(1, Ordering::Relaxed) == 1
        {
            println!("playing");
        }
        None
    });
    bin.add(&branch)?;
    branch.sync_state_with_parent()?;
    pad.link(&branch.static_pad("sink").ok_or("no pad")?)?;
    Ok(())
}

/// Ends the process at the first error of any element.
fn report_errors(pipeline: &gst::Pipeline) -> Outcome {
    let bus = pipeline.bus().ok_or("no bus")?;
    thread::spawn(move || {
        for message in bus.iter_timed(gst::ClockTime::NONE) {
            if let gst::MessageView::Error(error) = message.view() {
                eprintln!("{} {:?}", error.error(), error.debug());
                process::exit(1);
            }
        }
    });
    Ok(())
}
