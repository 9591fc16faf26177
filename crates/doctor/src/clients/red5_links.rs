//! `Link` as Red5's SDK reads it, from 11.0.0 to 15.x: red5pro-webrtc-sdk,
//! `WhipWhepSignalingHelper.getOptions`.

use crate::{
    checks, cors,
    link::{IceServer, ice_servers},
    rule::{Outcome, failed, failed_set, skipped},
    transcript::{Step, Transcript},
};

/// Why the SDK would throw.
#[derive(Debug, PartialEq, Eq)]
struct TypeError;

/// One of the servers that were sent is read as it is meant.
pub(crate) fn is_read(visit: &Transcript) -> Outcome {
    let options = checks::answer(
        visit,
        Step::Options,
        "connects without the server's STUN and TURN",
    )?;
    if !matches!(options.status, 200 | 204) {
        return skipped("OPTIONS is not read");
    }
    let meant = ice_servers(options);
    let Some(joined) = cors::visible(options, "link") else {
        return if meant.is_empty() {
            skipped("no ICE server was sent with OPTIONS")
        } else {
            failed(
                "Link is not in Access-Control-Expose-Headers",
                "connects without the server's STUN and TURN",
            )
        };
    };
    match parse(&joined) {
        Err(TypeError) => failed(
            "a Link with a part without `=`",
            "throws a TypeError: publishing or playing ends",
        ),
        Ok(None) if meant.is_empty() => skipped("no ICE server was sent with OPTIONS"),
        Ok(Some(server)) if meant.contains(&server) => Ok(()),
        Ok(_) => failed_set(
            format!(
                "{} Link lines, or a credential with `=` in it",
                options.lines("link").len()
            ),
            "joins the lines and divides them at `;` and `=`, so it uses a wrong server, or none",
            "ice.username and ice.credential_file with a password without `=`; elsewhere one Link for this client",
        ),
    }
}

/// `Headers.forEach` joins the lines; the rest is the SDK's own.
fn parse(joined: &str) -> Result<Option<IceServer>, TypeError> {
    if !joined.contains("rel=\"ice-server\"") {
        return Ok(None);
    }
    let mut url = None;
    let (mut username, mut credential) = (None, None);
    for part in joined.split(';').map(str::trim) {
        if part.starts_with('<') {
            let mut letters = part.chars();
            letters.next();
            letters.next_back();
            url = Some(letters.as_str().to_owned());
            continue;
        }
        let mut sides = part.split('=');
        let (key, value) = (
            sides.next().unwrap_or_default(),
            sides.next().ok_or(TypeError)?,
        );
        let value = value.replace('"', "");
        match key {
            "username" => username = Some(value),
            "credential" => credential = Some(value),
            _ => {}
        }
    }
    let Some(url) = url else { return Ok(None) };
    // Both or neither.
    let (username, credential) = username.zip(credential).unzip();
    Ok(Some(IceServer {
        url,
        username,
        credential,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: &str =
        r#"<turn:t>; rel="ice-server"; username="u"; credential="c"; credential-type="password""#;

    fn read(joined: &str) -> Result<Option<(String, Option<String>)>, TypeError> {
        Ok(parse(joined)?.map(|server| (server.url, server.credential)))
    }

    #[test]
    fn what_it_makes_of_a_link() {
        let server = |url: &str, credential: Option<&str>| {
            Ok(Some((url.to_owned(), credential.map(str::to_owned))))
        };
        assert_eq!(read(TURN), server("turn:t", Some("c")));
        assert_eq!(
            read(r#"<stun:s>; rel="ice-server""#),
            server("stun:s", None)
        );
        // Not quoted: not seen.
        assert_eq!(read("<stun:s>; rel=ice-server"), Ok(None));
        // STUN first: TURN's credentials with STUN's URL.
        assert_eq!(
            read(&format!(r#"<stun:s>; rel="ice-server", {TURN}"#)),
            server("stun:s", Some("c"))
        );
        // Cut at the first `=` inside.
        assert_eq!(
            read(r#"<turn:t>; rel="ice-server"; username="u"; credential="YWI=""#),
            server("turn:t", Some("YWI"))
        );
        assert_eq!(read(&format!("{TURN};")), Err(TypeError));
        assert_eq!(read(r#"<stun:s>; rel="ice-server"; x"#), Err(TypeError));
    }
}
