//! A QR code of the share link, as a picture that a phone's camera reads.

use std::fmt::Write as _;

use http::StatusCode;
use qrcode::{Color, EcLevel, QrCode};
use whipstitch_signaling::query::percent_decode;

use super::{Reply, bytes, text};

/// Longest text, in bytes: more makes modules too small to photograph from a screen.
const LONGEST: usize = 400;
/// Light modules around the code (ISO/IEC 18004).
const MARGIN: usize = 4;

/// `text=…` as an SVG picture.
pub(super) fn picture(query: Option<&str>) -> Reply {
    let given = query.and_then(|query| query.strip_prefix("text="));
    let wanted = given
        .and_then(percent_decode)
        .filter(|text| !text.is_empty());
    let Some(wanted) = wanted.filter(|text| text.len() <= LONGEST) else {
        let words = format!("text= is wanted, of 1 to {LONGEST} bytes.");
        return text(StatusCode::BAD_REQUEST, words);
    };
    match QrCode::with_error_correction_level(wanted.as_bytes(), EcLevel::M) {
        Ok(code) => bytes("image/svg+xml", svg(&code)),
        Err(error) => text(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

fn svg(code: &QrCode) -> String {
    let (width, size) = (code.width(), code.width() + 2 * MARGIN);
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (at % width + MARGIN, at / width + MARGIN);
            let _ = write!(path, "M{x} {y}h1v1h-1z");
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\">\
         <rect width=\"{size}\" height=\"{size}\" fill=\"#fff\"/><path d=\"{path}\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_margin_and_a_text_its_bounds() {
        let code = QrCode::new(b"https://192.0.2.7:8443/").unwrap();
        assert!(svg(&code).contains("M4 4h1v1h-1z"), "the corner is dark");
        assert_eq!(picture(Some("text=https%3A%2F%2Fa")).status(), 200);
        let long = format!("text={}", "x".repeat(LONGEST + 1));
        for wrong in [None, Some("text="), Some("other=x"), Some(long.as_str())] {
            assert_eq!(picture(wrong).status(), 400, "{wrong:?}");
        }
    }
}
