//! The prompt: a line that is being typed.

use super::keys::Chord;
use crate::ascent::settings::Knob;
use crate::model::picture;
use crate::runs::export::ExportFormat;
use crossterm::event::KeyCode;
use std::borrow::Cow;
use tui_input::{Input, InputRequest};

/// Maximum length of a line in bytes, that of a path on Linux; the rest of a paste is dropped.
pub const MAX_BYTES: usize = 4096;

/// What the prompt asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum PromptKind {
    /// A search in the current tab; the previous search is restored on cancel.
    Search { before: String },
    /// The value of a setting.
    Value(&'static Knob),
    /// A name for the present settings.
    PresetName,
    /// A sweep over one or two settings.
    Sweep,
    /// A file for exporting these runs.
    Export(Vec<String>),
    /// A command of the palette.
    Command,
    /// A filter for the help or the settings.
    Filter,
    /// A model: a part of its name in the picker, or a path.
    Model,
    /// Models for runs: parts of their names in the picker, or a path.
    OtherModels,
    /// The path of a photo, or of a folder of photos.
    Photo,
    /// A search in the list of photos; the previous search is restored on cancel.
    PhotoSearch { before: String },
    /// A layer for the channels of a photo: a part of its name.
    Layer,
    /// Confirmation of this many drafts: yes or no, with one key.
    Atlas(usize),
}

impl PromptKind {
    /// The label before the line.
    pub fn label(&self) -> Cow<'static, str> {
        let label = match self {
            Self::Atlas(count) => return format!("queue {count} drafts? y/n").into(),
            Self::Search { .. } | Self::PhotoSearch { .. } => "/",
            Self::Value(knob) => knob.key,
            Self::PresetName => "save as preset",
            Self::Sweep => "sweep",
            Self::Export(_) => "export to",
            Self::Command => ":",
            Self::Filter => "filter",
            Self::Model => "open",
            Self::OtherModels => "run in",
            Self::Photo => "photo",
            Self::Layer => "layer",
        };
        label.into()
    }

    /// A short explanation of valid input.
    pub fn help(&self) -> String {
        match self {
            Self::Search { .. } | Self::PhotoSearch { .. } => String::new(),
            Self::Command | Self::Filter => String::new(),
            Self::Model => "a part of a name, or a path; tab completes".into(),
            Self::OtherModels => "a part of a name, or a path; space marks several".into(),
            Self::Value(knob) => knob.allowed(),
            Self::PresetName => "letters, digits, - and _".into(),
            Self::Sweep => "e.g. tilt=1..1.3/4 or steps=80,176 (up to two settings)".into(),
            Self::Layer => "a part of its name".into(),
            Self::Atlas(_) => "n cancels: mark fewer first".into(),
            Self::Photo => "a PNG, JPEG or WebP file, or a folder; tab completes".into(),
            Self::Export(_) => "format by extension: .png .gif .apng .html".into(),
        }
    }
}

impl PromptKind {
    /// Extensions of the files to complete, if the prompt asks for a path.
    pub fn endings(&self) -> Option<Vec<&'static str>> {
        match self {
            Self::Photo => Some(picture::ENDINGS.to_vec()),
            Self::Export(_) => Some(ExportFormat::extensions()),
            Self::Model | Self::OtherModels => Some(vec!["onnx"]),
            _ => None,
        }
    }
}

/// The line.
#[derive(Debug, Clone)]
pub struct Prompt {
    pub asked: PromptKind,
    pub line: Input,
    /// Whether the next letter replaces the text.
    pub is_selected: bool,
}

/// The result of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptOutcome {
    /// The line is confirmed.
    Accepted,
    /// The prompt is cancelled.
    GivenUp,
    /// The text has changed.
    Changed,
    /// At most the cursor has moved.
    Same,
}

impl Prompt {
    /// A prompt with an initial text.
    pub fn new(asked: PromptKind, text: &str) -> Self {
        Self {
            asked,
            line: Input::new(text.into()),
            is_selected: false,
        }
    }

    /// A prompt with an initial text that the first letter replaces.
    pub fn replacing(asked: PromptKind, text: &str) -> Self {
        Self {
            is_selected: true,
            ..Self::new(asked, text)
        }
    }

    /// The text so far.
    pub fn text(&self) -> &str {
        self.line.value()
    }

    /// Handles a key.
    pub fn type_key(&mut self, chord: Chord) -> PromptOutcome {
        if !self.takes_text() {
            return answered(chord);
        }
        let is_replaced = std::mem::take(&mut self.is_selected)
            && (chord.typed().is_some() || chord.code() == KeyCode::Backspace);
        if is_replaced {
            self.line.reset();
            if chord.code() == KeyCode::Backspace {
                return PromptOutcome::Changed;
            }
        }
        let control = chord.has_control();
        let request = match chord.code() {
            KeyCode::Enter => return PromptOutcome::Accepted,
            KeyCode::Esc => return PromptOutcome::GivenUp,
            KeyCode::Char('c' | 'g') if control => return PromptOutcome::GivenUp,
            KeyCode::Backspace if self.text().is_empty() => return PromptOutcome::GivenUp,
            KeyCode::Char('u') if control => InputRequest::DeleteLine,
            KeyCode::Char('w') if control => InputRequest::DeletePrevWord,
            KeyCode::Char('k') if control => InputRequest::DeleteTillEnd,
            KeyCode::Char('a') if control => InputRequest::GoToStart,
            KeyCode::Char('e') if control => InputRequest::GoToEnd,
            KeyCode::Backspace => InputRequest::DeletePrevChar,
            KeyCode::Delete => InputRequest::DeleteNextChar,
            KeyCode::Left if control => InputRequest::GoToPrevWord,
            KeyCode::Right if control => InputRequest::GoToNextWord,
            KeyCode::Left => InputRequest::GoToPrevChar,
            KeyCode::Right => InputRequest::GoToNextChar,
            KeyCode::Home => InputRequest::GoToStart,
            KeyCode::End => InputRequest::GoToEnd,
            _ => match chord.typed() {
                Some(letter) if self.has_room() => InputRequest::InsertChar(letter),
                _ => return PromptOutcome::Same,
            },
        };
        match self.line.handle(request) {
            Some(change) if change.value => PromptOutcome::Changed,
            _ => PromptOutcome::Same,
        }
    }

    /// Inserts a pasted text, as one line.
    pub fn paste(&mut self, text: &str) {
        if !self.takes_text() {
            return;
        }
        if std::mem::take(&mut self.is_selected) {
            self.line.reset();
        }
        for letter in text.chars().filter(|letter| !letter.is_control()) {
            if !self.has_room() {
                break;
            }
            self.line.handle(InputRequest::InsertChar(letter));
        }
    }

    /// Replaces the text, unless the new one is too long.
    pub fn replace(&mut self, text: &str) {
        if text.len() <= MAX_BYTES {
            self.is_selected = false;
            self.line = Input::new(text.into());
        }
    }

    fn has_room(&self) -> bool {
        self.text().len() < MAX_BYTES
    }

    /// Whether it takes text rather than one key.
    fn takes_text(&self) -> bool {
        !matches!(self.asked, PromptKind::Atlas(_))
    }
}

/// The result of a key at a yes-or-no prompt. Other keys do nothing.
fn answered(chord: Chord) -> PromptOutcome {
    match (chord.code(), chord.typed()) {
        (_, Some('y' | 'Y')) => PromptOutcome::Accepted,
        (_, Some('n' | 'N')) | (KeyCode::Esc, _) => PromptOutcome::GivenUp,
        (KeyCode::Char('c' | 'g'), _) if chord.has_control() => PromptOutcome::GivenUp,
        _ => PromptOutcome::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(prompt: &mut Prompt, keys: &str) -> PromptOutcome {
        let keys: crate::tui::keys::Keys = keys.parse().unwrap();
        let mut last = PromptOutcome::Same;
        for chord in keys.chords() {
            last = prompt.type_key(*chord);
        }
        last
    }

    #[test]
    fn a_line_is_typed_corrected_and_cancelled() {
        let mut prompt = Prompt::new(PromptKind::Sweep, "ab");
        assert_eq!(press(&mut prompt, "c backspace ö"), PromptOutcome::Changed);
        assert_eq!(prompt.text(), "abö");
        assert_eq!(press(&mut prompt, "left"), PromptOutcome::Same);
        assert_eq!(press(&mut prompt, "enter"), PromptOutcome::Accepted);
        assert_eq!(
            press(&mut prompt, "ctrl-u backspace"),
            PromptOutcome::GivenUp
        );
    }

    #[test]
    fn a_selected_text_is_replaced_by_a_letter_and_kept_by_the_cursor() {
        let value = || Prompt::replacing(PromptKind::Sweep, "2");
        for (keys, text) in [
            ("9", "9"),
            ("9 9", "99"),
            ("left 9", "92"),
            ("backspace", ""),
        ] {
            let mut prompt = value();
            assert_ne!(press(&mut prompt, keys), PromptOutcome::GivenUp);
            assert_eq!(prompt.text(), text, "{keys}");
        }
        let mut prompt = value();
        prompt.paste("7");
        assert_eq!(prompt.text(), "7");
    }

    #[test]
    fn yes_or_no_is_one_key_and_all_others_leave_the_question_open() {
        for (keys, typed) in [
            ("y", PromptOutcome::Accepted),
            ("n", PromptOutcome::GivenUp),
            ("esc", PromptOutcome::GivenUp),
            ("ctrl-c", PromptOutcome::GivenUp),
            ("enter", PromptOutcome::Same),
            ("L space 7 backspace", PromptOutcome::Same),
        ] {
            let mut prompt = Prompt::new(PromptKind::Atlas(320), "");
            assert_eq!(press(&mut prompt, keys), typed, "{keys}");
            prompt.paste("y");
            assert_eq!(prompt.text(), "");
        }
    }

    #[test]
    fn a_pasted_megabyte_is_cut_off_and_controls_nothing() {
        let mut prompt = Prompt::new(PromptKind::Command, "");
        prompt.paste(&"a\u{1b}\n".repeat(1 << 20));
        assert!(prompt.text().len() <= MAX_BYTES && prompt.text().chars().all(|c| c == 'a'));
    }
}
