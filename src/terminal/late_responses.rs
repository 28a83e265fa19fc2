//! Responses after the time limit, when the program already reads keys: `ESC _ G i = 3 1 ; O K ESC \` would be ten
//! keys. They are recognised by their first key and their speed.

use super::Terminal;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::time::{Duration, Instant};

/// How long after the query a response may arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// The keys of a response arrive in one burst; after a pause of this length a person is typing.
const PAUSE: Duration = Duration::from_millis(100);

/// Filters late responses out of the key events.
#[derive(Debug)]
pub struct LateResponses {
    until: Option<Instant>,
    /// When the last key of an incomplete response arrived.
    inside: Option<Instant>,
}

impl LateResponses {
    /// Filters if the terminal did not respond in time; `now` is shortly after the query.
    pub fn new(terminal: &Terminal, now: Instant) -> Self {
        let until = (!terminal.answered).then(|| now + PATIENCE);
        Self {
            until,
            inside: None,
        }
    }

    /// Whether the key is part of a response and must be ignored.
    pub fn filters(&mut self, key: &KeyEvent, now: Instant) -> bool {
        if self.until.is_none_or(|until| now > until) {
            return false;
        }
        let continues = self
            .inside
            .is_some_and(|last| now.duration_since(last) < PAUSE);
        if !continues && !starts(key) {
            self.inside = None;
            return false;
        }
        self.inside = (!(continues && ends(key))).then_some(now);
        true
    }
}

/// `ESC _`, `ESC P` and `ESC ]` are reported as keys with Alt. Control sequences are never reported as keys.
fn starts(key: &KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::ALT) && matches!(key.code, KeyCode::Char('_' | 'P' | ']'))
}

/// `ESC \` or BEL.
fn ends(key: &KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('\\') => key.modifiers.contains(KeyModifiers::ALT),
        KeyCode::Char('g') => key.modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(c: char, modifiers: KeyModifiers) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(c), modifiers)
    }

    fn kitty_answer() -> Vec<KeyEvent> {
        let plain = "Gi=31;OK".chars().map(|c| key(c, KeyModifiers::NONE));
        let mut keys = vec![key('_', KeyModifiers::ALT)];
        keys.extend(plain);
        keys.push(key('\\', KeyModifiers::ALT));
        keys
    }

    #[test]
    fn a_late_response_is_ignored_and_the_next_key_is_not() {
        let start = Instant::now();
        let mut late = LateResponses::new(&Terminal::without_responses(), start);
        let now = start + Duration::from_secs(2);
        assert!(!late.filters(&key('j', KeyModifiers::NONE), now));
        assert!(kitty_answer().iter().all(|key| late.filters(key, now)));
        assert!(!late.filters(&key('G', KeyModifiers::NONE), now));
    }

    #[test]
    fn typing_is_slower_than_a_response() {
        let start = Instant::now();
        let mut late = LateResponses::new(&Terminal::without_responses(), start);
        assert!(late.filters(&key('P', KeyModifiers::ALT), start));
        assert!(!late.filters(&key('j', KeyModifiers::NONE), start + 2 * PAUSE));
    }

    #[test]
    fn nothing_is_ignored_after_the_response_or_the_deadline() {
        let start = Instant::now();
        let answered = Terminal {
            answered: true,
            ..Terminal::without_responses()
        };
        let alt = key('P', KeyModifiers::ALT);
        assert!(!LateResponses::new(&answered, start).filters(&alt, start));
        let mut late = LateResponses::new(&Terminal::without_responses(), start);
        assert!(!late.filters(&alt, start + 2 * PATIENCE));
    }
}
