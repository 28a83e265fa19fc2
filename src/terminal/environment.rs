//! Expectations from environment variables. They can be stale (inside tmux, through `sudo`, over SSH), so the
//! terminal's responses take precedence.

use super::ColourDepth;

/// The relevant variables as one value, so that detection can be tested.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    pub term: String,
    pub colorterm: String,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    pub tmux: bool,
    /// The program was started over SSH.
    pub remote: bool,
}

impl Environment {
    /// Reads the process's environment.
    pub fn read() -> Self {
        let variable = |name: &str| {
            let value = std::env::var_os(name).unwrap_or_default();
            value.to_string_lossy().into_owned()
        };
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            term: variable("TERM"),
            colorterm: variable("COLORTERM"),
            no_color: is_set("NO_COLOR"),
            tmux: is_set("TMUX"),
            remote: is_set("SSH_TTY") || is_set("SSH_CONNECTION"),
        }
    }

    /// Whether the terminal is known not to support control sequences.
    pub fn dumb(&self) -> bool {
        self.term == "dumb"
    }

    /// The colour depth from the variables; `None` if they do not set it.
    pub fn colours(&self) -> Option<ColourDepth> {
        if self.no_color || self.dumb() {
            return Some(ColourDepth::None);
        }
        if ["truecolor", "24bit"].contains(&self.colorterm.as_str()) {
            return Some(ColourDepth::True);
        }
        let found = BY_TERM.iter().find(|(part, _)| self.term.contains(part));
        found.map(|(_, depth)| *depth)
    }
}

/// Parts of `TERM` and the colour depth of these terminals. The first match counts.
const BY_TERM: [(&str, ColourDepth); 12] = [
    ("-direct", ColourDepth::True),
    ("kitty", ColourDepth::True),
    ("ghostty", ColourDepth::True),
    ("alacritty", ColourDepth::True),
    ("foot", ColourDepth::True),
    ("wezterm", ColourDepth::True),
    ("256color", ColourDepth::Indexed256),
    ("-mono", ColourDepth::None),
    ("vt100", ColourDepth::None),
    ("vt220", ColourDepth::None),
    ("linux", ColourDepth::Indexed16),
    ("color", ColourDepth::Indexed16),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_variables_and_no_color_beats_all() {
        let colours = |term: &str, colorterm: &str, no_color| {
            let environment = Environment {
                term: term.into(),
                colorterm: colorterm.into(),
                no_color,
                ..Environment::default()
            };
            environment.colours()
        };
        assert_eq!(
            colours("xterm-256color", "truecolor", false),
            Some(ColourDepth::True)
        );
        assert_eq!(colours("xterm-kitty", "", false), Some(ColourDepth::True));
        assert_eq!(
            colours("tmux-256color", "", false),
            Some(ColourDepth::Indexed256)
        );
        assert_eq!(colours("linux", "", false), Some(ColourDepth::Indexed16));
        assert_eq!(colours("dumb", "truecolor", false), Some(ColourDepth::None));
        assert_eq!(
            colours("xterm-kitty", "truecolor", true),
            Some(ColourDepth::None)
        );
        assert_eq!(colours("xterm", "", false), None);
    }
}
