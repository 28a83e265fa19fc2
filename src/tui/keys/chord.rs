//! One key press, in one normal form whatever the terminal sends, and sequences of key presses. Both are written the
//! same way in the table of commands, in `config.toml` and in the help: `ctrl-x`, `alt-enter`, `G`, `space`, `f1`,
//! `g g`.
//!
//! Most terminals cannot tell some keys apart: `ctrl-i` is `tab`, `ctrl-m` is `enter`, `ctrl-[` is `esc`, `ctrl-h` is
//! `backspace` on some, and with `ctrl` a letter has no case. Terminals with kitty's keyboard protocol can, but then a
//! key would have different meanings in different terminals. Therefore such keys are one chord everywhere, and a
//! binding that could never be reached is reported as a conflict.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::fmt;
use std::str::FromStr;
use unicode_width::UnicodeWidthChar;

/// Maximum number of chords in a sequence.
const MAX_SEQUENCE: usize = 4;

/// The highest function key that a terminal can report.
const LAST_FUNCTION_KEY: u8 = 35;

/// One key with its modifiers, normalised: shift is folded into the character, and keys that terminals cannot
/// distinguish are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// One or more chords pressed in sequence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Keys(Vec<Chord>);

/// An invalid key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    #[error("no key is given; write one such as `x`, `ctrl-x`, `space` or `g g`")]
    Empty,
    #[error(
        "{} is not a key; write one such as `x`, `G`, `ctrl-x`, `alt-enter`, `space`, `pageup` or `f1`",
        crate::text::quoted(.0)
    )]
    Unknown(String),
    #[error("write the character that `shift` makes of `{0}` instead")]
    Shifted(char),
    #[error("{0} keys one after another are too many: at most {MAX_SEQUENCE}")]
    TooLong(usize),
}

/// The modifiers of a chord, in the order in which they are written.
const MODIFIERS: [(KeyModifiers, &str); 4] = [
    (KeyModifiers::CONTROL, "ctrl"),
    (KeyModifiers::ALT, "alt"),
    (KeyModifiers::SHIFT, "shift"),
    (KeyModifiers::SUPER, "super"),
];

/// A key that is written as a word.
struct Named {
    code: KeyCode,
    name: &'static str,
    /// For hints, where space is scarce.
    short: &'static str,
    /// Other spellings.
    others: &'static [&'static str],
}

const fn named(
    code: KeyCode,
    name: &'static str,
    short: &'static str,
    others: &'static [&'static str],
) -> Named {
    Named {
        code,
        name,
        short,
        others,
    }
}

const NAMED: [Named; 16] = [
    named(KeyCode::Char(' '), "space", "␣", &["spc"]),
    named(KeyCode::Enter, "enter", "↵", &["return", "ret"]),
    named(KeyCode::Esc, "esc", "esc", &["escape"]),
    named(KeyCode::Tab, "tab", "⇥", &[]),
    named(KeyCode::BackTab, "backtab", "⇤", &[]),
    named(KeyCode::Backspace, "backspace", "⌫", &[]),
    named(KeyCode::Delete, "delete", "del", &["del"]),
    named(KeyCode::Insert, "insert", "ins", &["ins"]),
    named(KeyCode::Up, "up", "↑", &[]),
    named(KeyCode::Down, "down", "↓", &[]),
    named(KeyCode::Left, "left", "←", &[]),
    named(KeyCode::Right, "right", "→", &[]),
    named(KeyCode::Home, "home", "home", &[]),
    named(KeyCode::End, "end", "end", &[]),
    named(KeyCode::PageUp, "pageup", "pgup", &["pgup"]),
    named(KeyCode::PageDown, "pagedown", "pgdn", &["pgdn"]),
];

/// The key that most terminals send instead of a key with `ctrl`, with or without `ctrl`.
const SAME_WITH_CTRL: [(char, KeyCode, KeyModifiers); 9] = [
    ('i', KeyCode::Tab, KeyModifiers::NONE),
    ('m', KeyCode::Enter, KeyModifiers::NONE),
    ('[', KeyCode::Esc, KeyModifiers::NONE),
    ('h', KeyCode::Backspace, KeyModifiers::NONE),
    ('4', KeyCode::Char('\\'), KeyModifiers::CONTROL),
    ('5', KeyCode::Char(']'), KeyModifiers::CONTROL),
    ('6', KeyCode::Char('^'), KeyModifiers::CONTROL),
    ('7', KeyCode::Char('/'), KeyModifiers::CONTROL),
    ('_', KeyCode::Char('/'), KeyModifiers::CONTROL),
];

impl Chord {
    /// The chord of a key with modifiers. `None` for keys that no command can be bound to: modifiers, locks and media
    /// keys alone, and zero-width characters.
    pub fn new(code: KeyCode, modifiers: KeyModifiers) -> Option<Self> {
        let (code, mut modifiers) = one_of_same(code, modifiers);
        match code {
            KeyCode::Char(character) => {
                character.width().filter(|width| *width > 0)?;
                modifiers -= KeyModifiers::SHIFT;
            }
            KeyCode::F(number) => {
                (1..=LAST_FUNCTION_KEY).contains(&number).then_some(())?;
            }
            KeyCode::BackTab => modifiers -= KeyModifiers::SHIFT,
            code => {
                NAMED.iter().find(|named| named.code == code)?;
            }
        }
        let known = MODIFIERS
            .iter()
            .fold(KeyModifiers::NONE, |all, (modifier, _)| all | *modifier);
        known
            .contains(modifiers)
            .then_some(Self { code, modifiers })
    }

    /// The chord of an event of the terminal: a press or its repetition. `None` for a release, and as [`Chord::new`].
    pub fn pressed(event: &KeyEvent) -> Option<Self> {
        if event.kind == KeyEventKind::Release {
            return None;
        }
        Self::new(event.code, event.modifiers)
    }

    /// The key without its modifiers.
    pub fn code(&self) -> KeyCode {
        self.code
    }

    /// Whether the control key is held.
    pub fn has_control(&self) -> bool {
        self.modifiers.contains(KeyModifiers::CONTROL)
    }

    /// The character that it types into a text field; `None` with `ctrl`, `alt` or `super`.
    pub fn typed(&self) -> Option<char> {
        match self.code {
            KeyCode::Char(character) if self.modifiers.is_empty() => Some(character),
            _ => None,
        }
    }

    /// The shortest form, for hints: `^L`, `↵`, `␣`, `G`, `alt-x`.
    pub fn short(&self) -> String {
        let others = self.modifiers - KeyModifiers::CONTROL;
        let mut text = prefixes(others);
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            text.push('^');
        }
        match (named_key(self.code), self.code) {
            (Some(named), _) => text + named.short,
            (None, KeyCode::Char(character)) if text.ends_with('^') => {
                text.extend(character.to_uppercase());
                text
            }
            (None, code) => text + &plain(code),
        }
    }
}

/// The canonical chord among those that terminals cannot distinguish. Shift stays where it is not part of the
/// character.
fn one_of_same(code: KeyCode, modifiers: KeyModifiers) -> (KeyCode, KeyModifiers) {
    let ctrl = modifiers.contains(KeyModifiers::CONTROL);
    let shift = modifiers.contains(KeyModifiers::SHIFT);
    match code {
        KeyCode::Tab if shift => (KeyCode::BackTab, modifiers),
        KeyCode::Char(character) if ctrl => {
            let character = single(character.to_lowercase(), character);
            let same = SAME_WITH_CTRL.iter().find(|(from, ..)| *from == character);
            match same {
                Some((_, code, kept)) => {
                    let without = modifiers - KeyModifiers::CONTROL - KeyModifiers::SHIFT;
                    (*code, without | *kept)
                }
                None => (KeyCode::Char(character), modifiers),
            }
        }
        KeyCode::Char(character) if shift => (
            KeyCode::Char(single(character.to_uppercase(), character)),
            modifiers,
        ),
        _ => (code, modifiers),
    }
}

/// The only character of `characters`, otherwise `otherwise`: the capital of `ß` has two characters.
fn single(mut characters: impl Iterator<Item = char>, otherwise: char) -> char {
    match (characters.next(), characters.next()) {
        (Some(only), None) => only,
        _ => otherwise,
    }
}

fn named_key(code: KeyCode) -> Option<&'static Named> {
    NAMED.iter().find(|named| named.code == code)
}

fn prefixes(modifiers: KeyModifiers) -> String {
    MODIFIERS
        .iter()
        .filter(|(modifier, _)| modifiers.contains(*modifier))
        .map(|(_, name)| format!("{name}-"))
        .collect()
}

/// A key without a name.
fn plain(code: KeyCode) -> String {
    match code {
        KeyCode::Char(character) => character.into(),
        KeyCode::F(number) => format!("f{number}"),
        // A chord contains only characters, function keys and named keys.
        _ => String::new(),
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = named_key(self.code).map_or_else(|| plain(self.code), |named| named.name.into());
        write!(out, "{}{key}", prefixes(self.modifiers))
    }
}

impl FromStr for Chord {
    type Err = KeyError;

    /// Names and modifiers in any case; modifiers in any order, each followed by `-` or `+`.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let unknown = || KeyError::Unknown(text.into());
        let mut key = text;
        let mut modifiers = KeyModifiers::NONE;
        while let Some((modifier, rest)) = strip_modifier(key) {
            modifiers |= modifier;
            key = rest;
        }
        let code = read_key(key).ok_or_else(unknown)?;
        if let KeyCode::Char(character) = code
            && modifiers == KeyModifiers::SHIFT
            && !character.is_alphabetic()
        {
            return Err(KeyError::Shifted(character));
        }
        Self::new(code, modifiers).ok_or_else(unknown)
    }
}

/// The modifier at the start of `text`, and the remainder, which is never empty, so that `-` and `+` themselves can be
/// keys.
fn strip_modifier(text: &str) -> Option<(KeyModifiers, &str)> {
    let (modifier, name) = MODIFIERS.iter().find(|(_, name)| {
        let start = text.get(..name.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(name))
    })?;
    let rest = text[name.len()..].strip_prefix(['-', '+'])?;
    (!rest.is_empty()).then_some((*modifier, rest))
}

fn read_key(text: &str) -> Option<KeyCode> {
    let mut characters = text.chars();
    let first = characters.next()?;
    if characters.next().is_none() {
        return Some(KeyCode::Char(first));
    }
    let text = text.to_ascii_lowercase();
    let is_called = |named: &&Named| named.name == text || named.others.contains(&text.as_str());
    if let Some(named) = NAMED.iter().find(is_called) {
        return Some(named.code);
    }
    let number = text.strip_prefix('f')?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    digits.then(|| number.parse().ok())?.map(KeyCode::F)
}

impl Keys {
    /// The chords, in the order of pressing.
    pub fn chords(&self) -> &[Chord] {
        &self.0
    }

    /// The shortest form, for hints: `^L`, `gg`.
    pub fn short(&self) -> String {
        self.0.iter().map(Chord::short).collect()
    }

    /// Whether one is a prefix of the other, so that both cannot be bound.
    pub(super) fn collides(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0) || other.0.starts_with(&self.0)
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, chord) in self.0.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(out, "{space}{chord}")?;
        }
        Ok(())
    }
}

impl FromStr for Keys {
    type Err = KeyError;

    /// Chords separated by white space.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        // Other white space can be a key: the no-break space of some keyboards.
        let count = text.split_ascii_whitespace().count();
        match count {
            0 => Err(KeyError::Empty),
            1..=MAX_SEQUENCE => text
                .split_ascii_whitespace()
                .map(str::parse)
                .collect::<Result<_, _>>()
                .map(Self),
            _ => Err(KeyError::TooLong(count)),
        }
    }
}

#[cfg(test)]
mod tests;
