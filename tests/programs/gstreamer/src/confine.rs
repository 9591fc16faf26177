//! Two settings of the elements' inner parts.
//!
//! Where ICE looks is narrowed to loopback, and libnice's search for a router that opens ports
//! (`UPnP`) is off, so that no packet leaves the machine. And the DTLS certificate is a given one
//! (PEM, with its key): GStreamer 1.22 makes an RSA one, and the other side's DTLS knows ECDSA
//! only.

use std::process;

use gst::glib;
use gst::prelude::*;

/// Applies both settings to every element of this bin, at any depth, before it is used.
pub(crate) fn elements_of(bin: &gst::Bin, pem: &str) {
    let pem = pem.to_owned();
    bin.connect_deep_element_added(move |_, _, element| {
        let kind = element.factory().map(|factory| factory.name());
        match kind.as_deref() {
            Some("webrtcbin") => stay_on_loopback(element),
            // Before it is asked for its certificate's fingerprint.
            Some("dtlsdec") => element.set_property("pem", &pem),
            _ => {}
        }
    });
}

/// Before anything is gathered: no `UPnP`, and candidates of 127.0.0.1 only.
fn stay_on_loopback(webrtc: &gst::Element) {
    let ice = webrtc.property::<glib::Object>("ice-agent");
    ice.property::<glib::Object>("agent")
        .set_property("upnp", false);
    if !ice.emit_by_name::<bool>("add-local-ip-address", &[&"127.0.0.1"]) {
        eprintln!("ICE takes no address");
        process::exit(1);
    }
}
