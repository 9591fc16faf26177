//! A request on its way to a node: over an idle connection or a new one, and sent once.
//!
//! An idle connection may turn out closed. If hyper gives the request back, nothing of it was
//! written, and it goes over a new connection; no other request is sent twice.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::Instant;
use tracing::debug;
use whipstitch_origin::{Cause, Origin};

use super::{
    failed::Failed,
    failover::{NodeAnswer, SendToNode},
    node_client::NodeClient,
    pool::Answer,
};
use crate::{
    request::{
        budget::Budget,
        phases::{Phase, Phases},
    },
    words::body,
};

/// A request that a node gets, and the answer to it.
pub(crate) struct NodeRequest<'a> {
    nodes: &'a NodeClient,
    origin: &'a Origin,
    /// Until a connection has it.
    request: Option<Request<Full<Bytes>>>,
    /// Since a connection has it.
    answer: Option<Answer>,
}

impl<'a> NodeRequest<'a> {
    /// A request to this node; it is sent when its answer is awaited.
    ///
    /// # Errors
    /// [`Failed::Defect`]: it cannot be written.
    pub(crate) fn new(
        nodes: &'a NodeClient,
        origin: &'a Origin,
        request: Request<Bytes>,
    ) -> Result<Self, Failed> {
        let request = nodes.addressed(origin, request)?;
        Ok(Self {
            nodes,
            origin,
            request: Some(request.map(Full::new)),
            answer: None,
        })
    }

    /// Waits for the header of the answer as long as the budget lasts.
    pub(crate) async fn answered(
        &mut self,
        budget: &mut Budget,
        phases: &Phases,
    ) -> Result<Response<Incoming>, Failed> {
        let mut idle = self.nodes.pool.take(self.origin.addr());
        loop {
            let is_new = idle.is_none();
            let connection = match idle.take() {
                Some(connection) => connection,
                None => self.nodes.connect(self.origin, budget, phases).await?,
            };
            let request = self.request.take().ok_or(Failed::Defect)?;
            let began = Instant::now();
            let answer = self.nodes.send(self.origin, connection, request);
            match budget.pay(self.answer.insert(answer)).await {
                Some(Ok(answer)) => {
                    phases.first_byte(Phase::since(began));
                    return Ok(answer);
                }
                Some(Err(mut error)) => {
                    self.answer = None;
                    self.request = error.take_message().filter(|_| !is_new);
                    if self.request.is_none() {
                        let error = error.into_error();
                        debug!(error = &error as &dyn std::error::Error, "no answer");
                        return Err(Failed::Broken(Cause::of(&error, began.elapsed())));
                    }
                }
                None => return Err(Failed::Timeout(Cause::Timeout(began.elapsed()))),
            }
        }
    }

    /// The client is gone: the answer that may still come; `None` if no connection has the request,
    /// so that nothing was sent.
    pub(crate) fn left_alone(self) -> Option<Answer> {
        self.answer
    }
}

impl SendToNode for NodeClient {
    type Guard = ();

    async fn send_once(
        &self,
        origin: &Origin,
        request: Request<Bytes>,
        budget: &mut Budget,
        phases: &Phases,
    ) -> Result<NodeAnswer<()>, Failed> {
        let mut sent = NodeRequest::new(self, origin, request)?;
        let answer = sent.answered(budget, phases).await?;
        Ok(NodeAnswer {
            origin: origin.clone(),
            response: answer.map(body::incoming),
            guard: (),
        })
    }
}

#[cfg(test)]
mod tests;
