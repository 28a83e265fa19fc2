//! The question about a photo that is being answered, shared between the worker's thread and its owner, so that a
//! command that cancels it interrupts the answer at once.

use super::WorkerCommand;
use super::photo::Question;
use crate::runtime::CancelHandle;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The current question.
#[derive(Default)]
pub struct PhotoInterrupt {
    /// Interrupts reading, opening and running.
    pub stop: CancelHandle,
    current: Mutex<Option<Question>>,
}

impl PhotoInterrupt {
    /// An answer begins.
    pub fn begin(&self, question: &Question) {
        let mut current = self.lock();
        self.stop.reset();
        *current = Some(question.clone());
    }

    /// An answer ends; returns whether it was not interrupted.
    pub fn end(&self) -> bool {
        *self.lock() = None;
        !self.stop.is_stopped()
    }

    /// Interrupts the current answer if a command cancels it. To be called after the command was sent: one that comes
    /// before [`PhotoInterrupt::begin`] is found in the worker's inbox.
    pub fn handle(&self, command: &WorkerCommand) {
        let current = self.lock();
        let is_useless = |current: &Question| match command {
            WorkerCommand::Photo(question) => question.replaces(current),
            WorkerCommand::LeavePhoto(photo) => current.photo == *photo,
            WorkerCommand::Shutdown => true,
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
    use super::*;
    use crate::runs::worker::photo::{About, MapAt, question};

    #[test]
    fn only_cancelled_questions_are_interrupted() {
        let map = |class| About::Class {
            class,
            at: MapAt::default(),
        };
        for (command, is_broken_off) in [
            (WorkerCommand::LeavePhoto("a.png".into()), true),
            (WorkerCommand::LeavePhoto("b.png".into()), false),
            (WorkerCommand::Photo(question("a.png", map(2))), true),
            (WorkerCommand::Photo(question("a.png", map(1))), false),
            (WorkerCommand::Photo(question("a.png", About::Photo)), false),
            (WorkerCommand::Photo(question("b.png", map(2))), false),
            (WorkerCommand::Shutdown, true),
            (WorkerCommand::Pause, false),
        ] {
            let interrupt = PhotoInterrupt::default();
            interrupt.begin(&question("a.png", map(1)));
            interrupt.handle(&command);
            assert_eq!(interrupt.stop.is_stopped(), is_broken_off, "{command:?}");
            assert_eq!(interrupt.end(), !is_broken_off);
            // What comes too late breaks off nothing else.
            interrupt.handle(&command);
            interrupt.begin(&question("b.png", About::Photo));
            assert!(!interrupt.stop.is_stopped());
        }
    }
}
