//! `Link` (RFC 8288): a parser that forgives what is met in the field, and a writer that forgives
//! nothing.
//!
//! | form | met in |
//! |---|---|
//! | `<stun:a>; rel="ice-server"` | RFC 9725 §4.6 |
//! | several in one value, divided by commas | RFC 9110 §5.3: what a proxy or a browser makes of several lines |
//! | `turn:a; rel="ice-server"; credential: "x";` | draft-ietf-wish-whip-01 §4.4: no `<>`, `:` for `=`, a last `;` |
//! | `rel=ice-server` | RFC 8288 §3: a token needs no quotes |

use std::fmt::Write as _;

use http::HeaderValue;

/// Longest field value that is read, in bytes.
pub const MAX_VALUE: usize = 8 * 1024;
/// Most links that are read of one field value.
pub const MAX_LINKS: usize = 32;
/// Most parameters that are read of one link.
const MAX_PARAMS: usize = 16;

/// One link. What it holds is text from outside, unescaped and unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What stands between `<` and `>`.
    pub target: String,
    /// Names in lower case, with their values, in the order in which they stood.
    pub params: Vec<(String, String)>,
}

impl Link {
    /// The value of the first parameter of this name.
    pub fn param(&self, name: &str) -> Option<&str> {
        let mut params = self.params.iter();
        params
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The relations, in lower case (RFC 8288 §2.1.1: they are compared without regard to case).
    pub fn relations(&self) -> impl Iterator<Item = String> {
        let rel = self.param("rel").unwrap_or_default();
        rel.split_ascii_whitespace().map(str::to_ascii_lowercase)
    }

    /// As one well-formed value: `<target>; name="value"; …`. `None` if something in it cannot
    /// stand in one.
    pub fn to_value(&self) -> Option<HeaderValue> {
        if self.target.is_empty() || !self.target.bytes().all(is_target) {
            return None;
        }
        let mut text = format!("<{}>", self.target);
        for (name, value) in &self.params {
            if name.is_empty() || !name.bytes().all(is_token) || value.chars().any(char::is_control)
            {
                return None;
            }
            let _ = write!(text, "; {name}=\"");
            for c in value.chars() {
                if matches!(c, '"' | '\\') {
                    text.push('\\');
                }
                text.push(c);
            }
            text.push('"');
        }
        if !text.is_ascii() {
            return None;
        }
        HeaderValue::try_from(text).ok()
    }
}

/// What is wrong with one link, or with the whole value; the others of the value are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Nothing, or no URL, stands where the target should.
    #[error("it has no target")]
    Target,
    /// A parameter without a name, or with a quote that does not end.
    #[error("a parameter of it is not well-formed")]
    Param,
    /// The value is over [`MAX_VALUE`], [`MAX_LINKS`] or the limit of parameters.
    #[error("it is too long")]
    TooLong,
}

/// Reads one field value.
pub fn parse(value: &str) -> Vec<Result<Link, Malformed>> {
    if value.len() > MAX_VALUE {
        return vec![Err(Malformed::TooLong)];
    }
    let mut links = Vec::new();
    let mut rest = Rest(value);
    while rest.skip_to_link() {
        if links.len() == MAX_LINKS {
            links.push(Err(Malformed::TooLong));
            break;
        }
        let link = rest.link();
        if link.is_err() {
            rest.skip_link();
        }
        links.push(link);
    }
    links
}

/// What is not read yet.
struct Rest<'v>(&'v str);

impl<'v> Rest<'v> {
    /// RFC 9110 §5.6.1: elements of a list may be empty.
    fn skip_to_link(&mut self) -> bool {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
        !self.0.is_empty()
    }

    fn link(&mut self) -> Result<Link, Malformed> {
        let target = self.target()?.to_owned();
        let mut params = Vec::new();
        while self.take(';') {
            self.skip_space();
            if self.at_end() || self.0.starts_with(';') {
                continue;
            }
            if params.len() == MAX_PARAMS {
                return Err(Malformed::TooLong);
            }
            params.push(self.param()?);
        }
        if self.at_end() {
            Ok(Link { target, params })
        } else {
            Err(Malformed::Param)
        }
    }

    fn target(&mut self) -> Result<&'v str, Malformed> {
        let target = if let Some(after) = self.0.strip_prefix('<') {
            let (target, rest) = after.split_once('>').ok_or(Malformed::Target)?;
            self.0 = rest;
            target.trim()
        } else {
            // Without brackets only what the old draft shows: anything else is not meant as a link.
            let target = self.up_to([';', ',']);
            let scheme = target.split(':').next().unwrap_or_default();
            let schemes = ["stun", "stuns", "turn", "turns"];
            if !schemes
                .iter()
                .any(|known| known.eq_ignore_ascii_case(scheme))
            {
                return Err(Malformed::Target);
            }
            target
        };
        if target.is_empty() {
            return Err(Malformed::Target);
        }
        Ok(target)
    }

    fn param(&mut self) -> Result<(String, String), Malformed> {
        let name = self.token();
        if name.is_empty() {
            return Err(Malformed::Param);
        }
        let value = if self.take('=') || self.take(':') {
            self.skip_space();
            if self.0.starts_with('"') {
                self.quoted()?
            } else {
                self.up_to([';', ',']).to_owned()
            }
        } else {
            String::new()
        };
        Ok((name.to_ascii_lowercase(), value))
    }

    /// RFC 9110 §5.6.4.
    fn quoted(&mut self) -> Result<String, Malformed> {
        let mut value = String::new();
        let mut chars = self.0.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = self.0.get(at + 1..).unwrap_or_default();
                    return Ok(value);
                }
                '\\' => value.push(chars.next().ok_or(Malformed::Param)?.1),
                c => value.push(c),
            }
        }
        Err(Malformed::Param)
    }

    fn token(&mut self) -> &'v str {
        let end = self.0.bytes().take_while(|byte| is_token(*byte)).count();
        let (token, rest) = self.0.split_at_checked(end).unwrap_or_default();
        self.0 = rest;
        token
    }

    /// All before one of `ends`, without the white space around it.
    fn up_to(&mut self, ends: [char; 2]) -> &'v str {
        let end = self.0.find(ends).unwrap_or(self.0.len());
        let (before, rest) = self.0.split_at_checked(end).unwrap_or_default();
        self.0 = rest;
        before.trim()
    }

    /// Goes to the comma that ends this link, whatever stands before it.
    fn skip_link(&mut self) {
        let mut quoted = false;
        let end = self.0.find(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        self.0 = end.and_then(|end| self.0.get(end..)).unwrap_or_default();
    }

    fn take(&mut self, c: char) -> bool {
        self.skip_space();
        match self.0.strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn at_end(&self) -> bool {
        self.0.is_empty() || self.0.starts_with(',')
    }

    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What may stand in a URL (RFC 3986 §2), and so between `<` and `>`.
fn is_target(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

#[cfg(test)]
mod tests;
