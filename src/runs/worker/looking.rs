//! The question about a photo that is being answered, shared between the worker's thread and its owner: what nobody waits for
//! any more is broken off at once.

use super::Command;
use super::photo::Question;
use crate::runtime::CancelHandle;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The question under way.
#[derive(Default)]
pub struct Looking {
    /// What its reading, opening and running watch.
    pub stop: CancelHandle,
    current: Mutex<Option<Question>>,
}

impl Looking {
    /// A question is going to be answered.
    pub fn begin(&self, question: &Question) {
        let mut current = self.lock();
        self.stop.reset();
        *current = Some(question.clone());
    }

    /// It is answered, or was broken off: whether it was not.
    pub fn end(&self) -> bool {
        *self.lock() = None;
        !self.stop.is_stopped()
    }

    /// Breaks off what is under way if a command makes it useless. To be called when the command is on its way: one that
    /// comes before [`Looking::begin`] is found in the worker's inbox.
    pub fn heed(&self, command: &Command) {
        let current = self.lock();
        let is_useless = |current: &Question| match command {
            Command::Photo(question) => question.replaces(current),
            Command::LeavePhoto(photo) => current.photo == *photo,
            Command::Shutdown => true,
            _ => false,
        };
        if current.as_ref().is_some_and(is_useless) {
            self.stop.stop();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Question>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::photo::{About, MapAt, question};
    use super::*;

    #[test]
    fn only_what_nobody_waits_for_any_more_is_broken_off() {
        let map = |class| About::Class {
            class,
            at: MapAt::default(),
        };
        for (command, is_broken_off) in [
            (Command::LeavePhoto("a.png".into()), true),
            (Command::LeavePhoto("b.png".into()), false),
            (Command::Photo(question("a.png", map(2))), true),
            (Command::Photo(question("a.png", map(1))), false),
            (Command::Photo(question("a.png", About::Photo)), false),
            (Command::Photo(question("b.png", map(2))), false),
            (Command::Shutdown, true),
            (Command::Pause, false),
        ] {
            let looking = Looking::default();
            looking.begin(&question("a.png", map(1)));
            looking.heed(&command);
            assert_eq!(looking.stop.is_stopped(), is_broken_off, "{command:?}");
            assert_eq!(looking.end(), !is_broken_off);
            // What comes too late breaks off nothing else.
            looking.heed(&command);
            looking.begin(&question("b.png", About::Photo));
            assert!(!looking.stop.is_stopped());
        }
    }
}
