//! A parser that takes only what RFC 9112 lets a client send, and none of what a server may
//! forgive.

/// A request as it came.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    fields: Vec<(String, String)>,
}

impl Request {
    /// The values of a field, whose name is in lower case.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.fields.iter();
        fields
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| &**value)
    }

    /// Whether there is no field but these.
    pub(super) fn has_only(&self, names: &[&str]) -> bool {
        self.fields.iter().all(|(name, _)| names.contains(&&**name))
    }

    /// The value of a field that may stand once.
    fn once<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, String> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(format!("{name} is repeated")),
            (value, None) => Ok(value),
        }
    }
}

/// The next request and how many bytes it takes; `None` if its end is not there yet.
pub(super) fn request(bytes: &[u8]) -> Result<Option<(Request, usize)>, String> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let request = head(&bytes[..end])?;
    let rest = &bytes[end + 4..];
    let length = request.once("content-length")?;
    let coding = request.once("transfer-encoding")?;
    let body = match (length, coding) {
        (Some(_), Some(_)) => return Err("content-length beside transfer-encoding".into()),
        (None, None) => Some(0),
        (None, Some("chunked")) => chunked(rest)?,
        (None, Some(other)) => return Err(format!("transfer-encoding is {other:?}")),
        (Some(length), None) => {
            if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!("content-length is {length:?}"));
            }
            let length: usize = length.parse().map_err(|_| "content-length is too large")?;
            (rest.len() >= length).then_some(length)
        }
    };
    let no_body = matches!(&*request.method, "GET" | "HEAD" | "OPTIONS" | "DELETE");
    if no_body && (coding.is_some() || length.is_some_and(|length| length != "0")) {
        return Err("a body where none belongs".into());
    }
    Ok(body.map(|body| (request, end + 4 + body)))
}

fn head(bytes: &[u8]) -> Result<Request, String> {
    let mut lines = lines(bytes)?.into_iter();
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(|byte| *byte == b' ');
    let (method, target) = (words.next(), words.next());
    let (Some(method), Some(target), Some(b"HTTP/1.1"), None) =
        (method, target, words.next(), words.next())
    else {
        return Err("the request line is not three words".into());
    };
    if !token(method) || !is_target(target) {
        return Err("the method is no token, or the target no path".into());
    }
    let request = Request {
        method: text(method),
        target: text(target),
        fields: lines.map(field).collect::<Result<_, _>>()?,
    };
    match request.once("host")? {
        Some(host) if !host.is_empty() => Ok(request),
        _ => Err("no host".into()),
    }
}

/// The lines of a header or trailer section; a CR or LF by itself is an error.
fn lines(bytes: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        if !rest[at..].starts_with(b"\r\n") {
            return Err("a CR or LF by itself".into());
        }
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    Ok(lines)
}

fn field(line: &[u8]) -> Result<(String, String), String> {
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at(colon.ok_or("a field without a colon")?);
    if !token(name) {
        return Err("a name of a field is no token, or the line is folded".into());
    }
    let value = &value[1..];
    if value
        .iter()
        .any(|byte| matches!(byte, 0..=8 | 10..=31 | 127))
    {
        return Err("a control character in the value of a field".into());
    }
    Ok((text(name), text(value.trim_ascii())))
}

/// The length of a chunked body; `None` if its end is not there yet.
fn chunked(bytes: &[u8]) -> Result<Option<usize>, String> {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
            return Ok(None);
        };
        let size = text(&rest[..end]);
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("the size of a chunk is {size:?}"));
        }
        let size = usize::from_str_radix(&size, 16).map_err(|_| "a chunk is too large")?;
        at += end + 2;
        if size == 0 {
            let trailers = &bytes[at..];
            if trailers.len() < 2 {
                return Ok(None);
            }
            let none = trailers.starts_with(b"\r\n");
            return none.then_some(Some(at + 2)).ok_or("trailers".into());
        }
        if bytes.len() < at + size + 2 {
            return Ok(None);
        }
        if &bytes[at + size..at + size + 2] != b"\r\n" {
            return Err("a chunk does not end where it says".into());
        }
        at += size + 2;
    }
}

fn token(bytes: &[u8]) -> bool {
    let is = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is)
}

/// A path and a query; bytes above 0x7F may stand in the query, since clients send them.
fn is_target(bytes: &[u8]) -> bool {
    let query = bytes.iter().position(|byte| *byte == b'?');
    let (path, query) = bytes.split_at(query.unwrap_or(bytes.len()));
    let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    (path.starts_with(b"/") || path == b"*")
        && path.iter().all(plain)
        && query.iter().all(|byte| plain(byte) || *byte >= 0x80)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A parser that takes everything would make the storm a calm.
#[test]
fn what_a_server_may_forgive_is_an_error_here() {
    let good = "GET /a?b HTTP/1.1\r\nhost: a\r\nx: b\r\n\r\nrest";
    let (parsed, length) = request(good.as_bytes()).unwrap().unwrap();
    assert_eq!((&*parsed.target, &good[length..]), ("/a?b", "rest"));
    let chunks =
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(request(chunks.as_bytes()).unwrap().unwrap().1, chunks.len());
    for bad in [
        "GET /a HTTP/1.0\r\nhost: a\r\n\r\n",
        "GET  /a HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost: a\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1\nhost: a\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost: a\r\nx: b\r\n c\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost: a\r\nx : b\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nb",
        "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nb",
        "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\n\r\n",
        "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;x\r\nb\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nhost: b\r\n\r\n",
    ] {
        assert!(request(bad.as_bytes()).is_err(), "{bad:?}");
    }
}
