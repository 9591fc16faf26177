//! ICE servers in `Link` headers as they are meant (RFC 8288, RFC 9725 §4.6), to hold a client's
//! own reading against.

use crate::answer::Answer;

/// One ICE server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IceServer {
    /// `stun:…`, `turn:…`, `turns:…`.
    pub(crate) url: String,
    /// For TURN.
    pub(crate) username: Option<String>,
    /// For TURN.
    pub(crate) credential: Option<String>,
}

/// The ICE servers of an answer, in their order.
pub(crate) fn ice_servers(answer: &Answer) -> Vec<IceServer> {
    let lines = answer.lines("link");
    lines.into_iter().flat_map(of_line).collect()
}

fn of_line(line: &str) -> Vec<IceServer> {
    links(line).iter().filter_map(|link| server(link)).collect()
}

/// Divides a line at the commas between links, which are neither in a URL nor in quotes.
fn links(line: &str) -> Vec<String> {
    let (mut all, mut one) = (Vec::new(), String::new());
    let (mut in_url, mut quoted, mut escaped) = (false, false, false);
    for letter in line.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if !in_url => quoted = !quoted,
            '<' if !quoted => in_url = true,
            '>' if !quoted => in_url = false,
            ',' if !quoted && !in_url => {
                all.push(std::mem::take(&mut one));
                continue;
            }
            _ => {}
        }
        one.push(letter);
    }
    all.push(one);
    all
}

fn server(link: &str) -> Option<IceServer> {
    let (url, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let mut server = IceServer {
        url: url.to_owned(),
        ..IceServer::default()
    };
    let mut is_ice = false;
    for parameter in parameters.split(';') {
        let Some((name, value)) = parameter.trim().split_once('=') else {
            continue;
        };
        let value = value
            .trim()
            .trim_matches('"')
            .replace("\\\"", "\"")
            .replace("\\\\", "\\");
        match name.trim().to_ascii_lowercase().as_str() {
            "rel" => is_ice = value.split(' ').any(|rel| rel == "ice-server"),
            "username" => server.username = Some(value),
            "credential" => server.credential = Some(value),
            _ => {}
        }
    }
    is_ice.then_some(server)
}
