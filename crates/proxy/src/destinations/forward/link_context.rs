//! The context in which the references of an answer are rewritten.

use http::uri::{Authority, PathAndQuery};
use whipstitch_origin::Origin;
use whipstitch_signaling::{Form, Role, StreamKey, extension::Extension, session::Session};

use super::RequestContext;
use crate::{Exchange, request::message::Endpoint};

/// Where a reference in an answer is found, and for which client it is sealed.
#[derive(Clone, Copy)]
pub(super) struct LinkContext<'a> {
    pub(super) origin: &'a Origin,
    /// The request target at the node.
    pub(super) base: &'a PathAndQuery,
    pub(super) role: Role,
    pub(super) key: &'a StreamKey,
    pub(super) form: Form,
    pub(super) host: &'a Authority,
    /// With what it is offered.
    pub(super) with: With<'a>,
    pub(super) exchange: &'a Exchange,
}

/// What an extension is offered with, and ends with.
#[derive(Clone, Copy)]
pub(super) enum With<'a> {
    /// Before there is a session.
    Nothing,
    /// A new session.
    Session(&'a Session),
    /// Another extension.
    Extension(&'a Extension),
}

impl<'a> LinkContext<'a> {
    /// In the answer of an endpoint.
    pub(super) fn at(
        endpoint: &'a Endpoint,
        origin: &'a Origin,
        context: &'a RequestContext,
        session: Option<&'a Session>,
    ) -> Self {
        Self {
            origin,
            base: &context.target,
            role: endpoint.lookup.role,
            key: &endpoint.lookup.key,
            form: endpoint.form,
            host: &endpoint.host,
            with: session.map_or(With::Nothing, With::Session),
            exchange: &context.exchange,
        }
    }

    /// Whether a session begins here.
    pub(super) fn begins(self) -> bool {
        matches!(self.with, With::Session(_))
    }

    /// The extension at `target`; `now` is in milliseconds since 1970.
    pub(super) fn extension(self, target: PathAndQuery, now: u64) -> Extension {
        match self.with {
            With::Nothing => Extension {
                node: self.origin.named(),
                target,
                session: None,
                issued_at: now,
                owner: self.exchange.owner(),
            },
            With::Session(session) => Extension::of(session, target),
            With::Extension(extension) => Extension {
                target,
                ..extension.clone()
            },
        }
    }
}
