//! A client's `DELETE`, carried to its end although its client hangs up.
//!
//! A page that closes sends its `DELETE` and does not wait. Were the `DELETE` dropped with its
//! connection, the node might never get it; or it would get it while a `POST` at the same slot no
//! longer waits for it, and the `DELETE` could end the new stream; or the node would end the
//! session, and the table would list it for days.
//!
//! So a task carries it, and the client only awaits the result. The budget of the request bounds
//! the task's time, and `limits.in_flight` the number of tasks. One whose client has hung up counts
//! as an exchange in flight, so a shutdown waits for it.

use std::sync::{Arc, OnceLock};

use http::Response;
use tokio::sync::Semaphore;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::{Body, Error};

/// Carries clients' `DELETE`s.
pub(crate) struct Deletions {
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
    exchanges: TaskTracker,
}

impl Deletions {
    /// As many as `capacity` at once, each in a task of `tasks`.
    pub(crate) fn new(capacity: usize, tasks: TaskTracker, exchanges: TaskTracker) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(capacity)),
            tasks,
            exchanges,
        }
    }

    /// The output of `delete`, which runs to its end even if this future is dropped. Above the
    /// capacity it ends with its client.
    pub(super) async fn carry<D>(&self, delete: D) -> Result<Response<Body>, Error>
    where
        D: Future<Output = Result<Response<Body>, Error>> + Send + 'static,
    {
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            return delete.await;
        };
        let in_flight = Arc::new(OnceLock::new());
        let held = in_flight.clone();
        let task = self.tasks.spawn(async move {
            let answer = delete.await;
            drop((permit, held));
            answer
        });
        let _waits = Waits {
            exchanges: self.exchanges.clone(),
            in_flight,
        };
        // It fails only if the task panicked, or if the runtime stops.
        task.await.unwrap_or(Err(Error::Internal))
    }
}

/// A client that waits. Its own exchange is over when it hangs up, and the task is one from then
/// on.
struct Waits {
    exchanges: TaskTracker,
    /// Dropped with the task.
    in_flight: Arc<OnceLock<TaskTrackerToken>>,
}

impl Drop for Waits {
    fn drop(&mut self) {
        let _ = self.in_flight.set(self.exchanges.token());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::{sync::oneshot, task::yield_now};

    use super::*;
    use crate::words::body;

    #[tokio::test]
    async fn it_runs_to_its_end_and_counts_as_in_flight_when_its_client_hangs_up() {
        for capacity in [0, 1] {
            let exchanges = TaskTracker::new();
            let deletions = Deletions::new(capacity, TaskTracker::new(), exchanges.clone());
            let ((answer, answered), (done, is_done)) = (oneshot::channel(), oneshot::channel());
            let mut client = Box::pin(deletions.carry(async move {
                let _ = answered.await;
                let _ = done.send(());
                Ok(Response::new(body::empty()))
            }));
            assert!(client.as_mut().now_or_never().is_none());
            assert_eq!(exchanges.len(), 0, "the client's own exchange counts");
            drop(client);
            assert_eq!(exchanges.len(), capacity);
            let sent = answer.send(());
            assert_eq!(sent.is_ok(), capacity > 0);
            assert_eq!(is_done.await.is_ok(), capacity > 0);
            yield_now().await;
            assert_eq!(exchanges.len(), 0);
        }
    }

    #[tokio::test]
    async fn a_client_that_waits_gets_the_answer() {
        let deletions = Deletions::new(1, TaskTracker::new(), TaskTracker::new());
        for _ in 0..2 {
            let delete = async { Ok(Response::new(body::full("gone"))) };
            assert!(deletions.carry(delete).await.is_ok());
        }
        let refused = deletions.carry(async { Err(Error::Internal) }).await;
        assert!(matches!(refused, Err(Error::Internal)));
    }
}
