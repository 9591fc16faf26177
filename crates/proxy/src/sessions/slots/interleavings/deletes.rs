//! DELETEs by client, operator and reaper, and what they meet at the node.

use super::*;

impl Run {
    pub(super) fn delete(&mut self, by: By) {
        let open = |post: &Post| post.phase == Phase::Open;
        if let Some(id) = self.some(open) {
            self.begin_delete(id, by);
        }
    }

    pub(super) fn reap(&mut self) {
        let waiting: Vec<Id> = self.orphans.keys().copied().collect();
        let in_work = |id: &Id| {
            let mut deletes = self.deletes.iter();
            deletes.any(|delete| delete.id == *id && delete.by == By::Reaper)
        };
        let waiting: Vec<Id> = waiting.into_iter().filter(|id| !in_work(id)).collect();
        let Some(id) = self.random.of(&waiting) else {
            return;
        };
        if self.begin_delete(id, By::Reaper) == Verdict::Superseded {
            self.orphans.remove(&id);
            self.outcomes.insert(id, OrphanOutcome::Replaced);
        }
    }

    fn begin_delete(&mut self, id: Id, by: By) -> Verdict {
        let post = &self.posts[id];
        let target = match post.opened {
            Some((_, issued_at)) => Target::Issued(issued_at),
            None => Target::Since(post.since),
        };
        let patient = by != By::Client || post.slot != 2;
        let which = (target, patient);
        let slot = self.places[post.slot].clone();
        let verdict = self.slots.begin_delete(&slot, which, self.now());
        if verdict == Verdict::Send {
            let arrived = false;
            self.deletes.push(Delete {
                id,
                by,
                patient,
                arrived,
            });
        }
        verdict
    }

    pub(super) fn advance_delete(&mut self) {
        if self.deletes.is_empty() {
            return;
        }
        let count = u64::try_from(self.deletes.len()).unwrap();
        let which = usize::try_from(self.random.below(count)).unwrap();
        let delete = self.deletes[which];
        let at = self.posts[delete.id].slot;
        if !delete.arrived && self.random.one_in(6) {
            // The connection broke, or the node is unable.
            self.deletes.swap_remove(which);
            self.slots.end_delete(&self.places[at]);
            self.failed(delete);
        } else if !delete.arrived {
            self.deletes[which].arrived = true;
            if let Some(met) = self.at_node[at].take() {
                assert!(
                    self.may_meet(delete, met),
                    "a DELETE by {:?} for {:?} meets {:?}",
                    delete.by,
                    self.posts[delete.id],
                    self.posts[met],
                );
            }
        } else {
            self.deletes.swap_remove(which);
            let end = match delete.by {
                By::Client => EndReason::Deleted,
                By::Operator => EndReason::HttpEnded,
                By::Reaper => EndReason::Abandoned,
            };
            self.close(delete.id, end);
            self.slots.end_delete(&self.places[at]);
            if delete.by == By::Reaper {
                self.orphans.remove(&delete.id);
                self.outcomes.insert(delete.id, OrphanOutcome::Deleted);
            }
        }
    }

    fn failed(&mut self, delete: Delete) {
        if let Some(tries) = self.orphans.get_mut(&delete.id)
            && delete.by == By::Reaper
        {
            *tries += 1;
            if *tries == 3 {
                self.orphans.remove(&delete.id);
                self.outcomes.insert(delete.id, OrphanOutcome::Failed);
            }
        }
    }

    /// Whether this DELETE may end that session.
    fn may_meet(&self, delete: Delete, met: Id) -> bool {
        let (target, other) = (&self.posts[delete.id], &self.posts[met]);
        let forgotten = self.forgotten[target.slot];
        // A player's own is sent at once; no client has an orphan.
        if delete.id == met || !delete.patient || other.client_gone {
            return true;
        }
        match (target.opened, other.opened) {
            (_, None) => false,
            (None, Some((other, _))) => other <= target.since.0.max(forgotten),
            (Some((target, issued)), Some((other, since))) => {
                // What was forgotten is judged by the wall clock, as another replica's is.
                let is_close = since.saturating_sub(issued) <= millis(SKEW) + 2 * STEP;
                other < target || other <= forgotten || (target <= forgotten && is_close)
            }
        }
    }
}
