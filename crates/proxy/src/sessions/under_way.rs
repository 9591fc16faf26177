//! What is under way at a place: POSTs that may make a session there, and DELETEs: those of ours
//! for what was left behind, and those of clients. Only a player's DELETE waits for no POST
//! (`forward::late`).
//!
//! A place at a node can be one session's now and another's a moment later (see
//! [`crate::sessions::newest`]), and two requests over two connections reach a node in any order.
//! So neither is sent while the other could meet what it must not.
//!
//! | is under way | a POST | a DELETE |
//! |---|---|---|
//! | nothing | goes on | goes on |
//! | POSTs | goes on | waits until each has its answer, which says whose session is there |
//! | a DELETE | waits for its answer, but not for long | goes on: both mean the same session, or one finds none |
//!
//! There are never more places in the table than requests under way.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::uri::PathAndQuery;
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

/// How long a POST waits for a DELETE: a client is there, and the DELETE was sent before. And how
/// long a client's DELETE waits for a POST.
pub(crate) const LONGEST: Duration = Duration::from_secs(1);

/// Where a session is or will be: a node, and a path and query there.
pub(crate) type Place = (IpAddr, PathAndQuery);

/// Who is at work where. Cheap to clone: all clones are one.
#[derive(Clone, Default)]
pub(crate) struct UnderWay(Arc<Mutex<HashMap<Place, watch::Sender<Counts>>>>);

#[derive(Clone, Copy, Default)]
struct Counts {
    posts: usize,
    deletes: usize,
}

#[derive(Clone, Copy)]
enum What {
    Post,
    Delete,
}

impl Counts {
    fn of(&mut self, what: What) -> &mut usize {
        match what {
            What::Post => &mut self.posts,
            What::Delete => &mut self.deletes,
        }
    }
}

/// Something is under way until this is dropped.
pub(crate) struct Work {
    table: UnderWay,
    place: Place,
    what: What,
}

impl UnderWay {
    /// A POST begins that may make a session at this place.
    pub(crate) async fn post(&self, place: Place) -> Work {
        let (work, mut counts) = self.begin(&mut self.lock(), place, What::Post);
        let no_delete = counts.wait_for(|counts| counts.deletes == 0);
        let _ = timeout(LONGEST, no_delete).await;
        work
    }

    /// A DELETE begins at this place; `None` if POSTs were under way there for all of `patience`.
    pub(crate) async fn delete(&self, place: &Place, patience: Duration) -> Option<Work> {
        let deadline = Instant::now() + patience;
        loop {
            let mut counts = match self.delete_or_wait(place) {
                Ok(work) => return Some(work),
                Err(counts) => counts,
            };
            let no_post = counts.wait_for(|counts| counts.posts == 0);
            // That nobody counts there any more is as good.
            let _ = timeout_at(deadline, no_post).await.ok()?;
        }
    }

    fn delete_or_wait(&self, place: &Place) -> Result<Work, watch::Receiver<Counts>> {
        let mut table = self.lock();
        match table.get(place) {
            Some(counts) if counts.borrow().posts > 0 => Err(counts.subscribe()),
            _ => Ok(self.begin(&mut table, place.clone(), What::Delete).0),
        }
    }

    fn begin(
        &self,
        table: &mut HashMap<Place, watch::Sender<Counts>>,
        place: Place,
        what: What,
    ) -> (Work, watch::Receiver<Counts>) {
        let counts = table.entry(place.clone()).or_default();
        counts.send_modify(|counts| *counts.of(what) += 1);
        let work = Work {
            table: self.clone(),
            place,
            what,
        };
        (work, counts.subscribe())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, watch::Sender<Counts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut table = self.table.lock();
        let Some(counts) = table.get(&self.place) else {
            return;
        };
        let mut nothing = false;
        counts.send_modify(|counts| {
            let one = counts.of(self.what);
            *one = one.saturating_sub(1);
            nothing = counts.posts == 0 && counts.deletes == 0;
        });
        if nothing {
            table.remove(&self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn place(resource: &'static str) -> Place {
        ([10, 0, 0, 1].into(), PathAndQuery::from_static(resource))
    }

    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_delete_waits_for_posts_there_and_for_no_others() {
        let under_way = UnderWay::default();
        let (here, there) = (place("/s1"), place("/s2"));
        let first = under_way.post(here.clone()).await;
        let second = under_way.post(here.clone()).now_or_never().unwrap();
        assert!(
            under_way
                .delete(&there, LONG)
                .now_or_never()
                .flatten()
                .is_some()
        );
        let began = Instant::now();
        let (delete, ()) = tokio::join!(under_way.delete(&here, LONG), async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            drop(first);
            tokio::time::sleep(Duration::from_secs(2)).await;
            drop(second);
        });
        assert!(delete.is_some() && began.elapsed() == Duration::from_secs(4));
        drop(delete);
        assert!(under_way.lock().is_empty());

        let _post = under_way.post(here.clone()).await;
        assert!(under_way.delete(&here, LONG).await.is_none());
        assert_eq!(began.elapsed(), Duration::from_secs(14));
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_waits_for_a_delete_a_little_and_counts_from_the_start() {
        let under_way = UnderWay::default();
        let here = place("/s1");
        let delete = under_way.delete(&here, LONG).await.unwrap();
        let other = under_way.delete(&here, LONG).now_or_never().flatten();
        assert!(other.is_some(), "both find one session or none");
        drop(other);
        let began = Instant::now();
        let late = under_way.post(here.clone()).await;
        assert_eq!(began.elapsed(), LONGEST);
        drop(late);
        let mut post = Box::pin(under_way.post(here.clone()));
        assert!(post.as_mut().now_or_never().is_none());
        assert!(under_way.delete(&here, LONG).now_or_never().is_none());
        drop(delete);
        assert!(post.now_or_never().is_some());
        assert!(under_way.lock().is_empty());
    }
}
