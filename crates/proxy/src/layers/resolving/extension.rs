//! Where an extension is that a node has offered.

use bytes::Bytes;
use http::{Request, uri::Authority};
use whipstitch_origin::Claim;

use super::{Resolver, named::no_longer_allowed, with_query};
use crate::{
    Bound, Error, Exchange,
    layers::authentication,
    request::{
        budget::Budget,
        message::{ExtensionAtNode, ExtensionUrl, Resource, ToNode},
    },
    words::error::NoSession,
};

impl Resolver {
    /// The extension of a sealed URL. It lives as long as the URL of the session that it was
    /// offered with, and ends with that session's DELETE, or when a newer one takes its place, as
    /// far as this replica has seen it.
    pub(super) async fn extension(
        &self,
        url: ExtensionUrl,
        host: Authority,
        budget: Budget,
        request: Request<Bytes>,
        exchange: Exchange,
    ) -> Result<Bound, Error> {
        let ExtensionUrl {
            role,
            key,
            form,
            token,
        } = url;
        let opened = self.keys.borrow().open_extension(role, &key, &token);
        let extension = opened.ok_or(NoSession::Unopened)?;
        authentication::is_owner(extension.owner, &exchange)?;
        match extension.session() {
            Some(session) if self.sessions.has_ended(role, &session) => {
                return Err(NoSession::Ended.into());
            }
            Some(session) => self.is_current(role, &session)?,
            None if self.is_past(extension.issued_at) => return Err(NoSession::Expired.into()),
            None => {}
        }
        let admitted = self.allowed.admit(Claim::Session(extension.node)).await;
        let target = with_query(extension.target.clone(), request.uri().query())?;
        let offered = ExtensionAtNode {
            origin: admitted.map_err(no_longer_allowed(&exchange))?,
            role,
            key,
            extension,
            host,
            form,
        };
        Ok(Bound::Node(ToNode {
            resource: Resource::Extension(offered),
            target,
            client: None,
            budget,
            request,
            exchange,
        }))
    }
}
