//! Messages to the user: the newest in the status row for a while, all in a log.

use crate::text::clean;
use std::collections::VecDeque;
use std::time::Duration;

/// Severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Note,
    Warning,
    Error,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub level: Level,
    pub text: String,
    /// When, since the start.
    pub at: Duration,
    /// Whether the next key hides it, because it is the result of the last one.
    is_transient: bool,
}

/// How long a warning or an error is shown at least.
const PATIENCE: Duration = Duration::from_secs(3);

/// How many of the newest messages are searched for one that must still be shown.
const RECENT: usize = 20;

/// Maximum number of messages in the log.
const KEPT: usize = 200;

/// The latest messages, the oldest first.
#[derive(Debug, Clone, Default)]
pub struct Messages {
    all: VecDeque<Message>,
    /// Whether a key is being handled.
    in_key: bool,
    /// Whether the newest is hidden.
    is_dismissed: bool,
}

impl Messages {
    /// Starts handling a key: the result of the last key is hidden.
    pub fn begin_key(&mut self) {
        self.in_key = true;
        self.is_dismissed |= self.all.back().is_some_and(|newest| newest.is_transient);
    }

    /// Ends handling a key.
    pub fn end_key(&mut self) {
        self.in_key = false;
    }

    /// Adds a message. Control characters are removed.
    pub fn say(&mut self, level: Level, text: impl AsRef<str>, now: Duration) {
        let text = clean(text.as_ref());
        self.all.push_back(Message {
            level,
            text,
            at: now,
            is_transient: self.in_key,
        });
        self.is_dismissed = false;
        if self.all.len() > KEPT {
            self.all.pop_front();
        }
    }

    /// What the status row shows: the newest, for five seconds, an error for ten. A warning or an error that no key
    /// caused is seen for three seconds, whatever is reported after it.
    pub fn current(&self, now: Duration) -> Option<&Message> {
        let newest = self.all.back().filter(|_| !self.is_dismissed)?;
        let is_new = |message: &&Message| {
            let is_grave = message.level != Level::Note && !message.is_transient;
            is_grave && now < message.at + PATIENCE
        };
        if !newest.is_transient
            && let Some(grave) = self.all.iter().rev().take(RECENT).rfind(is_new)
        {
            return Some(grave);
        }
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
    fn the_result_of_a_key_is_hidden_by_the_next_and_an_event_is_not() {
        let mut messages = Messages::default();
        let shown = |messages: &Messages| {
            let current = messages.current(Duration::ZERO);
            current.map(|message| message.text.clone())
        };
        messages.begin_key();
        messages.say(Level::Error, "refused", Duration::ZERO);
        messages.end_key();
        assert_eq!(shown(&messages).as_deref(), Some("refused"));
        messages.begin_key();
        assert_eq!(shown(&messages), None);
        messages.end_key();
        messages.say(Level::Note, "finished", Duration::ZERO);
        messages.begin_key();
        assert_eq!(shown(&messages).as_deref(), Some("finished"));
    }

    #[test]
    fn a_warning_does_not_give_way_to_a_note_at_once() {
        let mut messages = Messages::default();
        let second = Duration::from_secs;
        messages.say(Level::Warning, "a judge is missing", second(0));
        messages.say(Level::Note, "a run is finished", second(1));
        let text = |at| {
            messages
                .current(second(at))
                .map(|message| message.text.as_str())
        };
        assert_eq!(text(2), Some("a judge is missing"));
        assert_eq!(text(4), Some("a run is finished"));
        assert_eq!(text(7), None);
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
