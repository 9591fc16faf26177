//! Admission: sheds work before it is done.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::{Either, Ready, ready as now};
use http::Response;
use tokio::sync::Semaphore;
use tower::Service;

use crate::{Body, Clean, Error};

/// The layer's service: at most so many exchanges at once, over all connections.
#[derive(Clone, Debug)]
pub(crate) struct Admission<S> {
    inner: S,
    places: Arc<Semaphore>,
}

impl<S> Admission<S> {
    pub(crate) fn new(inner: S, in_flight: usize) -> Self {
        Self {
            inner,
            places: Arc::new(Semaphore::new(in_flight)),
        }
    }
}

impl<S> Service<Clean> for Admission<S>
where
    S: Service<Clean, Response = Response<Body>, Error = Error>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Either<Ready<Result<Response<Body>, Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, clean: Clean) -> Self::Future {
        match self.places.clone().try_acquire_owned() {
            Ok(place) => {
                clean.exchange.occupies(place);
                Either::Right(self.inner.call(clean))
            }
            Err(_) => Either::Left(now(Err(Error::Overloaded {
                what: "limits.in_flight",
            }))),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Request, uri::Authority};
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::{Exchange, body};

    fn clean(exchange: &Exchange) -> Clean {
        Clean {
            request: Request::new(body::empty()),
            host: Authority::from_static("a"),
            websocket: false,
            exchange: exchange.clone(),
        }
    }

    #[tokio::test]
    async fn a_place_is_free_again_when_the_exchange_is_over() {
        let inner = service_fn(|_: Clean| async { Ok::<_, Error>(Response::new(body::empty())) });
        let service = Admission::new(inner, 1);
        let first = Exchange::begin(&HeaderMap::new(), None);
        service.clone().oneshot(clean(&first)).await.unwrap();
        let second = Exchange::begin(&HeaderMap::new(), None);
        let refused = service.clone().oneshot(clean(&second)).await.unwrap_err();
        assert!(matches!(
            refused,
            Error::Overloaded {
                what: "limits.in_flight"
            }
        ));
        drop(first);
        service.oneshot(clean(&second)).await.unwrap();
    }
}
