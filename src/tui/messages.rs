//! What the explorer says: the newest for a while in the status row, all of it in a panel of its own.

use super::text::clean;
use std::collections::VecDeque;
use std::time::Duration;

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Note,
    Warning,
    Error,
}

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub level: Level,
    pub text: String,
    /// When, since the start.
    pub at: Duration,
    /// Whether it answers a key: the next key takes it off the screen.
    is_answer: bool,
}

/// Most messages that are kept.
const KEPT: usize = 200;

/// All that was said lately, the oldest first.
#[derive(Debug, Clone, Default)]
pub struct Messages {
    all: VecDeque<Message>,
    /// Whether what is said now answers a key.
    answers: bool,
    /// Whether the newest was taken off the screen.
    is_dismissed: bool,
}

impl Messages {
    /// A key was pressed: what is said until [`Messages::answered`] is the answer to it, and the one before is over.
    pub fn answer(&mut self) {
        self.answers = true;
        self.is_dismissed |= self.all.back().is_some_and(|newest| newest.is_answer);
    }

    /// The key was taken.
    pub fn answered(&mut self) {
        self.answers = false;
    }

    /// Says something. Nothing in it can steer the terminal.
    pub fn say(&mut self, level: Level, text: impl AsRef<str>, now: Duration) {
        let text = clean(text.as_ref());
        self.all.push_back(Message {
            level,
            text,
            at: now,
            is_answer: self.answers,
        });
        self.is_dismissed = false;
        if self.all.len() > KEPT {
            self.all.pop_front();
        }
    }

    /// What the status row shows: the newest, for five seconds, an error for ten.
    pub fn current(&self, now: Duration) -> Option<&Message> {
        let newest = self.all.back().filter(|_| !self.is_dismissed)?;
        let seconds = match newest.level {
            Level::Error => 10,
            _ => 5,
        };
        (now < newest.at + Duration::from_secs(seconds)).then_some(newest)
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Message> + ExactSizeIterator {
        self.all.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_over_with_the_next_key_and_a_report_is_not() {
        let mut messages = Messages::default();
        let shown = |messages: &Messages| {
            let current = messages.current(Duration::ZERO);
            current.map(|message| message.text.clone())
        };
        messages.answer();
        messages.say(Level::Error, "refused", Duration::ZERO);
        messages.answered();
        assert_eq!(shown(&messages).as_deref(), Some("refused"));
        messages.answer();
        assert_eq!(shown(&messages), None);
        messages.answered();
        messages.say(Level::Note, "finished", Duration::ZERO);
        messages.answer();
        assert_eq!(shown(&messages).as_deref(), Some("finished"));
    }

    #[test]
    fn the_newest_is_shown_for_a_while_and_kept_after_that() {
        let mut messages = Messages::default();
        messages.say(Level::Note, "one\u{1b}[2J", Duration::ZERO);
        let text = &messages.current(Duration::from_secs(4)).unwrap().text;
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert!(messages.current(Duration::from_secs(6)).is_none());
        for index in 0..300 {
            messages.say(Level::Note, index.to_string(), Duration::ZERO);
        }
        assert_eq!(messages.iter().len(), KEPT);
    }
}
