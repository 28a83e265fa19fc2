//! Who looks at the pane. tmux keeps the cells of a picture, but not the picture: a terminal that is attached later does not
//! have it, and neither has one to which the pane was not visible when the picture was sent.

use crate::terminal::tmux;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How often tmux is asked.
const INTERVAL: Duration = Duration::from_millis(500);

/// The clients of tmux to which the pane is visible, as far as tmux was asked.
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

    /// The same, with another way to ask.
    pub fn asking(ask: fn() -> Option<BTreeSet<u32>>) -> Self {
        Self {
            ask,
            known: None,
            next: None,
        }
    }

    /// Whether one has come since tmux was last asked. Asks, if it is time to.
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

    /// How long until tmux should be asked again.
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
    fn only_those_who_come_matter_and_tmux_is_not_asked_too_often() {
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
        // Another window, and back.
        assert!(!have_come(Some(&[])));
        assert!(have_come(Some(&[7])));
        // No answer says nothing.
        assert!(!have_come(None));
        assert!(!have_come(Some(&[7])));
        // A second terminal; the first one leaves; it is attached again as another process.
        assert!(have_come(Some(&[7, 8])));
        assert!(!have_come(Some(&[8])));
        assert!(have_come(Some(&[9])));
    }
}
