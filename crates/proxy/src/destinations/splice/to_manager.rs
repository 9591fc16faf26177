//! WebSockets to the Stream Manager itself: its administration's events, and its conference pages'.
//!
//! They are carried as those to nodes are, with the same limits and the same end, over TLS if the
//! manager speaks it. Which paths may be one is decided in [`crate::layers::routing`].

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::HOST, uri::PathAndQuery};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};
use whipstitch_origin::{Cause, ManagerFault, connect::Connection};

use super::{Agreed, Splice, handshake::Handshake, session::Session};
use crate::{
    Body, Error, Exchange,
    destinations::manager::Manager,
    nodes::handshaking,
    request::phases::Phase,
    sessions::view::About,
    words::{body, error::defect},
};

impl Splice {
    pub(crate) async fn open_to_manager(
        &self,
        manager: &Manager,
        mut request: Request<Bytes>,
        exchange: Exchange,
    ) -> Result<Response<Body>, Error> {
        let handshake = Handshake::check(&request)?;
        let permit = self.limit.acquire()?;
        let client: OnUpgrade = hyper::upgrade::on(&mut request);
        let base = manager.base();
        let target = request.uri().path_and_query();
        let target = base.at_manager(target.map_or("/", PathAndQuery::as_str));
        let mut asked = handshake.to(&request, &target)?;
        asked.headers_mut().insert(HOST, base.host().clone());
        let unreachable = |cause| Error::Manager(ManagerFault::Unreachable(cause));
        let asking = async {
            let began = Instant::now();
            let dialled = timeout(self.connect, manager.dial()).await;
            exchange.phases().connect(Phase::since(began));
            let (connection, peer) = match dialled {
                Ok(Ok(dialled)) => dialled,
                Ok(Err(error)) => return Err(unreachable(Cause::of(&*error, began.elapsed()))),
                Err(_) => return Err(unreachable(Cause::Timeout(self.connect))),
            };
            let began = Instant::now();
            let answer = handshaking::handshake(connection, asked, &self.sessions).await;
            let answer = answer.map_err(|error| unreachable(Cause::of(&error, began.elapsed())))?;
            exchange.phases().first_byte(Phase::since(began));
            let peer = peer
                .ok_or("no address")
                .map_err(defect("the address of a connection"))?;
            Ok((answer, peer))
        };
        let patience = manager.patience();
        let (answer, peer) = timeout(patience, asking)
            .await
            .map_err(|_| Error::Manager(ManagerFault::Timeout(patience)))??;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return manager.not_switched(answer);
        }
        let verified = handshake.verify(answer.headers());
        verified.map_err(Error::ManagerHandshake)?;
        let session = Session::new(
            &exchange,
            About::to_manager(&exchange, peer, request.uri().path()),
            (self.table.clone(), self.metrics.clone()),
            permit,
        );
        let agreed = Agreed {
            handshake,
            answer: answer.map(body::incoming),
            client,
            session,
            exchange,
        };
        Ok(self.begin(agreed, TokioIo::<Connection>::new, || {}))
    }
}
