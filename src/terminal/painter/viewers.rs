//! The clients that show the pane. tmux stores the cells of a picture, but not the picture: a client that attaches
//! later, or to which the pane was not visible when the picture was sent, does not have it.

use crate::terminal::tmux;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How often tmux is asked.
const INTERVAL: Duration = Duration::from_millis(500);

/// The tmux clients that show the pane, as of the last query.
#[derive(Debug)]
pub struct Viewers {
    ask: fn() -> Option<BTreeSet<u32>>,
    known: Option<BTreeSet<u32>>,
    next: Option<Instant>,
}

impl Viewers {
    pub fn new() -> Self {
        Self::asking(tmux::viewers)
    }

    /// The same with another query function.
    pub fn asking(ask: fn() -> Option<BTreeSet<u32>>) -> Self {
        Self {
            ask,
            known: None,
            next: None,
        }
    }

    /// Whether a client has been added since the last query. Queries tmux if the interval has passed.
    pub fn have_come(&mut self, now: Instant) -> bool {
        if self.next.is_some_and(|next| now < next) {
            return false;
        }
        self.next = Some(now + INTERVAL);
        let Some(viewers) = (self.ask)() else {
            return false;
        };
        let before = self.known.replace(viewers.clone());
        before.is_some_and(|before| !viewers.is_subset(&before))
    }

    /// The remaining time until the next query.
    pub fn wait(&self, now: Instant) -> Duration {
        let next = self.next.unwrap_or(now);
        next.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    thread_local! {
        static ANSWER: RefCell<Option<Vec<u32>>> = const { RefCell::new(None) };
    }

    fn answer() -> Option<BTreeSet<u32>> {
        ANSWER.with_borrow(|answer| Some(answer.clone()?.into_iter().collect()))
    }

    #[test]
    fn only_new_clients_count_and_tmux_is_queried_at_an_interval() {
        let mut viewers = Viewers::asking(answer);
        let mut now = Instant::now();
        let mut have_come = |answer: Option<&[u32]>| {
            now += INTERVAL;
            ANSWER.set(answer.map(<[u32]>::to_vec));
            let have_come = viewers.have_come(now);
            assert!(!viewers.have_come(now + INTERVAL / 2));
            assert_eq!(viewers.wait(now), INTERVAL);
            have_come
        };
        assert!(!have_come(Some(&[7])));
        assert!(!have_come(Some(&[7])));
        // Another window is shown, then this one again.
        assert!(!have_come(Some(&[])));
        assert!(have_come(Some(&[7])));
        // A failed query changes nothing.
        assert!(!have_come(None));
        assert!(!have_come(Some(&[7])));
        // A second client attaches; the first detaches; it attaches again as another process.
        assert!(have_come(Some(&[7, 8])));
        assert!(!have_come(Some(&[8])));
        assert!(have_come(Some(&[9])));
    }
}
