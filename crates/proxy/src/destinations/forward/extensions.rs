//! Protocol extensions: offered by a node, reached through us (RFC 9725 §4.9; draft-ietf-wish-whep,
//! core extensions).

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::LOCATION, uri::PathAndQuery};
use tracing::warn;
use whipstitch_signaling::{link::Link, rewrite};

use super::{
    Forward, RequestContext,
    link_context::{LinkContext, With},
    links, passed,
};
use crate::{
    Body, Error,
    request::{budget::Budget, message::ExtensionAtNode},
    words::error::{NodeFault, defect},
};

impl Forward {
    /// Carries a request to an extension, and its answer back: streamed, however long it takes.
    pub(super) async fn extend(
        &self,
        offered: &ExtensionAtNode,
        context: RequestContext,
        request: Request<Bytes>,
        budget: &mut Budget,
    ) -> Result<Response<Body>, Error> {
        let failover = self.failover(&self.nodes, &context.exchange);
        let mut response = failover
            .only(&offered.origin, request, budget)
            .await?
            .response;
        let status = response.status();
        // What the client has already (RFC 9110 §15.4.5) leads nowhere else.
        if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            return Err(NodeFault::Redirect.into());
        }
        links::taken(response.headers_mut(), &context.exchange);
        let location = response.headers_mut().remove(LOCATION);
        if let Some(location) = location.filter(|_| status.is_success())
            && let Ok(target) = rewrite::made(&context.target, &location).inspect_err(|error| {
                let (id, node) = (context.exchange.id(), &offered.origin);
                warn!(id, %node, %error, "Location of what an extension made left out");
            })
        {
            let context = LinkContext {
                origin: &offered.origin,
                base: &context.target,
                role: offered.role,
                key: &offered.key,
                form: offered.form,
                host: &offered.host,
                with: With::Extension(&offered.extension),
                exchange: &context.exchange,
            };
            if let Some(url) = self.extension_url(context, target)? {
                let url = HeaderValue::try_from(url).map_err(defect("an extension's Location"))?;
                response.headers_mut().insert(LOCATION, url);
            }
        }
        self.streams.pass(passed(response), &context.exchange)
    }

    /// A node's link to an extension, with a URL of ours; `None` if it leads elsewhere, or cannot
    /// be kept.
    pub(super) fn sealed_link(&self, context: LinkContext<'_>, link: &Link) -> Option<Link> {
        let (id, node) = (context.exchange.id(), context.origin);
        let this = rewrite::Node {
            dialled: node.authority(),
            address: node.named(),
            name: node.name(),
            ours: &self.urls.public.names(context.host),
        };
        let target = rewrite::target(this, context.base, &link.target)
            .inspect_err(|error| warn!(id, %node, %error, "Link to an extension left out"))
            .ok()?;
        let target = self.extension_url(context, target).ok()??;
        let told = |(name, _): &&(String, String)| {
            // It names what the link is about, at the node (RFC 8288 §3.2).
            name != "anchor"
        };
        Some(Link {
            target,
            params: link.params.iter().filter(told).cloned().collect(),
        })
    }

    /// Our URL of this path at the node; `None` if it would be too long.
    fn extension_url(
        &self,
        context: LinkContext<'_>,
        target: PathAndQuery,
    ) -> Result<Option<String>, Error> {
        let extension = context.extension(target, self.sessions.clock().now());
        if !extension.fits() {
            let (id, node) = (context.exchange.id(), context.origin);
            warn!(id, %node, "URL of an extension left out: too long");
            return Ok(None);
        }
        let keys = self.urls.keys.borrow().clone();
        let token = keys.seal_extension(context.role, context.key, &extension)?;
        let base = self.urls.public.base(context.host, context.exchange);
        let path = context.form.extension(context.role, context.key, &token);
        Ok(Some(format!("{base}{path}")))
    }
}
