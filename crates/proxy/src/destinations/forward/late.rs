//! A client's DELETE that comes late: its publisher's session may be over at the node, and the
//! place another one's.
//!
//! An encoder that lost its connection comes again under the same name as soon as the node has let
//! go of it, and may say goodbye to its former session only then. Its new POST is not answered yet,
//! so nothing says that there is a newer session, and the DELETE would end the stream that just
//! began. So it waits for the answer, like a DELETE of ours ([`crate::sessions::under_way`]).
//!
//! Where POSTs stay unanswered for longer than that, there is no such session any more, as when
//! there is a newer one. That can be wrong: if the node then refuses them, the old session goes on
//! until the node misses its media. To send the DELETE could be wrong, too, and would end a live
//! stream, which nobody can mend.
//!
//! A player's DELETE never waits: Red5 keys a player by its `requestId`, which no other client has.
//! But the same client comes again by it at once where its network is bad (red5pro-webrtc-sdk
//! 15.2.0, `RenegotiationPolicy`), without the answer to its DELETE, and a node that still has the
//! session answers 400. So the DELETE is known to be in flight, and the POST waits for it.

use std::time::Duration;

use http::Method;
use whipstitch_signaling::{Role, session::Session};

use super::Forward;
use crate::{
    Error,
    request::{budget::Budget, message::Known},
    sessions::{
        newest::Newest,
        under_way::{LONGEST, UnderWay, Work},
    },
    words::error::NoSession,
};

impl Forward {
    /// Its turn, if it needs one, to be held until the node's answer is there.
    ///
    /// # Errors
    /// Another session has the place, or may have it.
    pub(super) async fn turn(
        &self,
        known: &Known,
        method: &Method,
        budget: &mut Budget,
    ) -> Result<Option<Work>, Error> {
        if method != Method::DELETE {
            return Ok(None);
        }
        if known.role == Role::Play {
            let place = (known.session.node, known.session.resource.clone());
            return Ok(self.under_way.delete(&place, Duration::ZERO).await);
        }
        let turn = turn(&self.under_way, &self.newest, &known.session, budget).await;
        turn.map(Some).ok_or_else(|| NoSession::Superseded.into())
    }
}

/// The turn of a DELETE of this publisher's session, to be held until the node's answer is there;
/// `None` if another session has the place, or may have it.
pub(crate) async fn turn(
    under_way: &UnderWay,
    newest: &Newest,
    session: &Session,
    budget: &mut Budget,
) -> Option<Work> {
    let place = (session.node, session.resource.clone());
    let turn = under_way.delete(&place, LONGEST);
    let turn = budget.pay(turn).await??;
    // Looked at again: what was waited for may have made one.
    (!newest.has_newer(Role::Publish, session)).then_some(turn)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http::uri::PathAndQuery;
    use tokio::time::{Instant, sleep};
    use whipstitch_signaling::tag::Tag;

    use super::*;
    use crate::request::clock::WallClock;

    const HOUR: Duration = Duration::from_hours(1);

    fn session(issued_at: u64) -> Session {
        Session {
            node: [10, 0, 0, 1].into(),
            resource: PathAndQuery::from_static("/live/whip/resource/s1"),
            issued_at,
            tag: Tag::None,
        }
    }

    fn place() -> (std::net::IpAddr, PathAndQuery) {
        (session(0).node, session(0).resource)
    }

    fn budget(whole: Duration) -> Budget {
        Budget::new(whole, Duration::from_secs(2))
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_while_a_newer_one_begins_waits_and_finds_it() {
        let (under_way, newest) = (UnderWay::default(), Newest::new(HOUR, WallClock::default()));
        newest.remember(Role::Publish, &session(1));
        for is_made in [false, true] {
            let post = under_way.post(place()).await;
            let (mut budget, old) = (budget(HOUR), session(1));
            let turn = turn(&under_way, &newest, &old, &mut budget);
            let answer = async {
                sleep(Duration::from_millis(900)).await;
                if is_made {
                    newest.remember(Role::Publish, &session(2));
                }
                drop(post);
            };
            let (turn, ()) = tokio::join!(turn, answer);
            assert_eq!(turn.is_none(), is_made);
            // The next POST waits for it.
            let next = Box::pin(under_way.post(place())).now_or_never();
            assert_eq!(next.is_some(), is_made);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_has_an_end_and_nothing_is_sent_after_it() {
        let (under_way, newest) = (UnderWay::default(), Newest::new(HOUR, WallClock::default()));
        let _post = under_way.post(place()).await;
        for (whole, most) in [(HOUR, LONGEST), (LONGEST / 2, LONGEST / 2)] {
            let began = Instant::now();
            let mut budget = budget(whole);
            let turn = turn(&under_way, &newest, &session(1), &mut budget).await;
            assert!(turn.is_none());
            let took = began.elapsed();
            assert!(
                took >= most && took <= most + Duration::from_millis(2),
                "{took:?}"
            );
            assert!(budget.left() + most <= whole);
        }
    }
}
