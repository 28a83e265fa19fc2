//! The runs that are still to be made, shared by the workers of all devices.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use ziggurat::runs::Spec;
use ziggurat::runs::history::Claim;
use ziggurat::runs::queue::shares_steps;

/// The runs that no worker has taken.
pub struct OpenRuns<'s> {
    lists: Mutex<Lists<'s>>,
    /// Number of workers whose device works.
    workers: AtomicUsize,
}

/// See [`OpenRuns`].
pub struct Lists<'s> {
    /// In the order of the command line.
    open: Vec<&'s Spec>,
    /// Those that other processes are making.
    elsewhere: Vec<&'s Spec>,
}

/// The next work of a worker.
pub enum NextBatch<'s> {
    /// These runs, which step together, and their claims.
    Take(Vec<&'s Spec>, Vec<Claim>),
    /// There may be work later: this many runs are being made by other processes.
    Wait(usize),
    /// Nothing is left.
    Nothing,
}

/// What to do with the next run.
pub enum Choice {
    Take(Option<Claim>),
    /// Another process is making it.
    IsElsewhere,
    /// It is finished.
    Skip,
}

impl<'s> OpenRuns<'s> {
    pub fn new(open: Vec<&'s Spec>, workers: usize) -> Self {
        let elsewhere = Vec::new();
        Self {
            lists: Mutex::new(Lists { open, elsewhere }),
            workers: AtomicUsize::new(workers),
        }
    }

    /// The next batch of at most `most` runs of one objective; `choose` decides about each. The runs are shared out
    /// evenly: a batch is no larger than one worker's part of what is open.
    ///
    /// # Errors
    /// Those of `choose`.
    pub fn next_batch<E>(
        &self,
        most: usize,
        mut choose: impl FnMut(&'s Spec) -> Result<Choice, E>,
    ) -> Result<NextBatch<'s>, E> {
        let mut lists = self.lock();
        let workers = self.workers.load(Ordering::Relaxed).max(1);
        let most = most.min(lists.open.len().div_ceil(workers)).max(1);
        while let Some(first) = lists.open.first().copied() {
            let (mut batch, mut claims) = (Vec::new(), Vec::new());
            for spec in std::mem::take(&mut lists.open) {
                if batch.len() == most || !shares_steps(spec, first) {
                    lists.open.push(spec);
                    continue;
                }
                match choose(spec)? {
                    Choice::Take(claim) => {
                        batch.push(spec);
                        claims.extend(claim);
                    }
                    Choice::IsElsewhere => lists.elsewhere.push(spec),
                    Choice::Skip => {}
                }
            }
            if !batch.is_empty() {
                return Ok(NextBatch::Take(batch, claims));
            }
        }
        Ok(match lists.elsewhere.len() {
            0 => NextBatch::Nothing,
            count => NextBatch::Wait(count),
        })
    }

    /// Opens the runs again that other processes were making.
    pub fn look_again(&self) {
        let mut lists = self.lock();
        let elsewhere = std::mem::take(&mut lists.elsewhere);
        lists.open.extend(elsewhere);
    }

    /// Puts a batch back, to be taken next.
    pub fn put_back(&self, batch: Vec<&'s Spec>) {
        self.lock().open.splice(0..0, batch);
    }

    /// Counts a worker out whose device failed. Returns whether another one is left.
    pub fn retire(&self) -> bool {
        let fewer = |workers: usize| workers.checked_sub(1).filter(|left| *left > 0);
        let order = Ordering::Relaxed;
        self.workers.fetch_update(order, order, fewer).is_ok()
    }

    /// Whether nothing is left to take.
    pub fn is_empty(&self) -> bool {
        let lists = self.lock();
        lists.open.is_empty() && lists.elsewhere.is_empty()
    }

    /// Leaves nothing to take.
    pub fn clear(&self) {
        let mut lists = self.lock();
        lists.open.clear();
        lists.elsewhere.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Lists<'s>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_worker_does_not_retire() {
        let runs = OpenRuns::new(Vec::new(), 3);
        assert_eq!([(); 4].map(|()| runs.retire()), [true, true, false, false]);
        assert!(runs.is_empty());
        let next = runs.next_batch::<()>(8, |_| Ok(Choice::Skip));
        assert!(matches!(next, Ok(NextBatch::Nothing)));
    }
}
