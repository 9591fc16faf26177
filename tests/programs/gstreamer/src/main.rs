//! GStreamer's `whipsink` in the smallest pipeline that uses it: `gstreamer-client URL`.
//!
//! The element is used as it is, with two settings on what it is made of. Where ICE looks is narrowed to loopback,
//! and libnice's search for a router that opens ports (UPnP) is off, so that no packet leaves the machine. And the DTLS
//! certificate is the one in `DTLS_CERTIFICATE` (PEM, with its key): GStreamer 1.22 makes an RSA one, and the other side's
//! DTLS knows ECDSA only. It ends when its standard input does.

use std::error::Error;
use std::io::Read as _;
use std::{env, process, thread};

use gst::glib;
use gst::prelude::*;

const PUBLISH: &str = "whipsink name=http \
    videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=15/1 \
    ! vp8enc deadline=1 keyframe-max-dist=15 ! rtpvp8pay ! application/x-rtp,payload=96 ! http. \
    audiotestsrc is-live=true ! audioconvert ! audio/x-raw,rate=48000,channels=2 \
    ! opusenc ! rtpopuspay ! application/x-rtp,payload=97 ! http.";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let url = env::args().nth(1).ok_or("usage: gstreamer-client URL")?;
    gst::init()?;
    gstwebrtchttp::plugin_register_static()?;
    let pipeline = gst::Pipeline::new();
    pipeline.add(&gst::parse::bin_from_description(PUBLISH, false)?)?;
    let http = pipeline.by_name("http").ok_or("no client")?;
    http.set_property("whip-endpoint", url);
    stay_on_loopback(&http)?;
    present_certificate(&pipeline, env::var("DTLS_CERTIFICATE")?);
    report_errors(&pipeline)?;

    pipeline.set_state(gst::State::Playing)?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    pipeline.set_state(gst::State::Null)?;
    Ok(())
}

/// Before anything is gathered: no UPnP, and candidates of 127.0.0.1 only.
fn stay_on_loopback(http: &gst::Element) -> Outcome {
    let bin = http.downcast_ref::<gst::Bin>().ok_or("not a bin")?;
    let webrtc = bin
        .iterate_elements()
        .into_iter()
        .flatten()
        .find(|element| element.has_property("ice-agent"))
        .ok_or("no webrtcbin")?;
    let ice = webrtc.property::<glib::Object>("ice-agent");
    ice.property::<glib::Object>("agent")
        .set_property("upnp", false);
    if ice.emit_by_name::<bool>("add-local-ip-address", &[&"127.0.0.1"]) {
        return Ok(());
    }
    Err("ICE takes no address".into())
}

/// Gives every DTLS decoder this certificate as soon as there is one, which is before it is asked for its fingerprint.
fn present_certificate(pipeline: &gst::Pipeline, pem: String) {
    pipeline.connect_deep_element_added(move |_, _, element| {
        if element
            .factory()
            .is_some_and(|factory| factory.name() == "dtlsdec")
        {
            element.set_property("pem", &pem);
        }
    });
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
