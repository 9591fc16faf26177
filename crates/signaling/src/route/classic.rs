//! The WHIP and WHEP grammar of Stream Manager 1.x and of the nodes (Red5 Pro documentation,
//! WHIP/WHEP configuration).
//!
//! The path is read from the right: the last `whip|whep/endpoint|resource|extension` splits the
//! scope from the stream, since a scope may have any number of segments, rooms named `whip` among
//! them.

use super::{Form, Route};
use crate::stream::{NameError, Part, Role, Rule, StreamKey};

/// A path without its first slash; `None` if it is none of this grammar.
pub(super) fn parse(path: &str) -> Option<Result<Route, NameError>> {
    find_signaling(path).map(Signaling::into_route)
}

struct Signaling<'p> {
    scope: &'p str,
    role: Role,
    noun: Noun,
    rest: &'p str,
}

#[derive(Clone, Copy)]
enum Noun {
    Endpoint,
    Session,
    Extension,
}

/// The last `/{whip|whep}/{endpoint|resource|extension}` that has a scope before it.
fn find_signaling(path: &str) -> Option<Signaling<'_>> {
    let mut end = path.len();
    while let Some(slash) = path.get(..end)?.rfind('/') {
        let (scope, after) = (path.get(..slash)?, path.get(slash + 1..)?);
        let mut segments = after.splitn(3, '/');
        if let (Some(role), Some(noun)) = (
            segments.next().and_then(Role::from_protocol),
            segments.next(),
        ) {
            let rest = segments.next().unwrap_or_default();
            let noun = match noun {
                "endpoint" => Some(Noun::Endpoint),
                "resource" => Some(Noun::Session),
                // Ours alone, and never without a token: a stream may be called so.
                "extension" if rest.contains('/') => Some(Noun::Extension),
                _ => None,
            };
            if let Some(noun) = noun {
                return Some(Signaling {
                    scope,
                    role,
                    noun,
                    rest,
                });
            }
        }
        end = slash;
    }
    None
}

impl Signaling<'_> {
    fn into_route(self) -> Result<Route, NameError> {
        let rest = self.rest.strip_suffix('/').unwrap_or(self.rest);
        let (name, token) = match rest.split_once('/') {
            Some((name, token)) => (name, Some(token)),
            None => (rest, None),
        };
        let key = StreamKey::new(self.scope, name)?;
        let role = self.role;
        match (self.noun, token) {
            (Noun::Extension, Some(token)) if !token.contains('/') => Ok(Route::Extension {
                role,
                key,
                form: Form::Classic,
                token: token.to_owned(),
            }),
            (Noun::Session, token) if token.is_none_or(|token| !token.contains('/')) => {
                Ok(Route::Session {
                    role,
                    key,
                    token: token.map(str::to_owned),
                })
            }
            (Noun::Endpoint, None) => Ok(Route::Endpoint {
                role,
                key,
                form: Form::Classic,
            }),
            _ => Err(NameError {
                part: Part::Stream,
                rule: Rule::Trailing,
            }),
        }
    }
}
