//! How the explorer looks: roles, which mean something, and themes, which say how each is drawn.
//!
//! - [`role`]: the table of roles
//! - [`colour`]: colours, contrast, and the nearest where a terminal has fewer
//! - [`mod@file`]: theme files, those in `themes/` and the user's own
//!
//! For the views, which ask [`Theme::style`] and never name a colour. A theme is reduced once to what the terminal can
//! show, with [`Theme::for_depth`].

pub mod colour;
pub mod file;
pub mod role;

pub use colour::Colour;
pub use role::{ROLES, Role};

use crate::config::Problem;
use crate::home::Home;
use crate::terminal::ColourDepth;
use colour::{Gamut, contrast};
use ratatui::style::{Color, Modifier, Style};

/// The contrast that text needs, by the web's accessibility guidelines.
pub const LEGIBLE: f32 = 4.5;

/// How one role is drawn. What is not said is as it was below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    pub fg: Option<Colour>,
    pub bg: Option<Colour>,
    pub modifiers: Modifier,
}

/// How every role is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    name: String,
    /// In the order of the table.
    looks: [Look; ROLES.len()],
}

/// The themes there are: those that come with Ziggurat, then the user's own by name. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Themes(Vec<Theme>);

impl Theme {
    /// Its name: that of its file, without the ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How to draw `role`.
    pub fn style(&self, role: Role) -> Style {
        let look = self.look(role);
        Style {
            fg: look.fg.map(color),
            bg: look.bg.map(color),
            add_modifier: look.modifiers,
            ..Style::default()
        }
    }

    /// How `role` is drawn, in the theme's own terms.
    pub fn look(&self, role: Role) -> &Look {
        &self.looks[role as usize]
    }

    /// The same theme in the colours that a terminal of `depth` can show. Text stays as legible as it was where the
    /// palette allows it, and what could no longer be distinguished from the rest is made bold, underlined or reversed, as
    /// without colours.
    pub fn for_depth(&self, depth: ColourDepth) -> Self {
        match depth {
            ColourDepth::True => self.clone(),
            ColourDepth::Indexed256 => self.reduced(Gamut::Palette256),
            ColourDepth::Indexed16 => self.reduced(Gamut::Palette16),
            ColourDepth::None => self.with(|role, look| Look {
                fg: None,
                bg: None,
                modifiers: look.modifiers | role.entry().bare,
            }),
        }
    }

    fn reduced(&self, gamut: Gamut) -> Self {
        let nearest_ground = |look: &Look| look.bg.map(|bg| bg.nearest(gamut, None, 1.0));
        let ground = self.look(Role::Text).bg;
        let reduced_ground = nearest_ground(self.look(Role::Text));
        let selection = nearest_ground(self.look(Role::Selection));
        self.with(|role, look| {
            let bg = nearest_ground(look);
            let blends = look.bg != ground && bg == reduced_ground
                || role == Role::Cursor && bg == selection;
            let bare = match bg.is_some() && blends {
                true => role.entry().bare,
                false => Modifier::empty(),
            };
            // Sixteen colours are too few for every text to read on every ground: one that is laid over text takes its
            // colour too.
            let fg = match gamut {
                Gamut::Palette16 => look.fg.or(bg.and(self.look(Role::Text).fg)),
                Gamut::Palette256 => look.fg,
            };
            let least = fg
                .zip(look.bg.or(ground))
                .and_then(|(fg, bg)| contrast(fg, bg))
                .map_or(1.0, |contrast| contrast.min(LEGIBLE));
            Look {
                fg: fg.map(|fg| fg.nearest(gamut, bg.or(reduced_ground), least)),
                bg,
                modifiers: look.modifiers | bare,
            }
        })
    }

    fn with(&self, change: impl Fn(Role, &Look) -> Look) -> Self {
        let mut theme = self.clone();
        for (entry, look) in ROLES.iter().zip(&mut theme.looks) {
            *look = change(entry.role, look);
        }
        theme
    }
}

fn color(colour: Colour) -> Color {
    match colour {
        Colour::Default => Color::Reset,
        Colour::Indexed(index) => Color::Indexed(index),
        Colour::Rgb([red, green, blue]) => Color::Rgb(red, green, blue),
    }
}

impl Default for Themes {
    /// Those that come with Ziggurat.
    fn default() -> Self {
        Self(file::built_in())
    }
}

impl Themes {
    /// All themes, and what in the user's files could not be taken. A user's theme of the name of one that comes with
    /// Ziggurat takes its place.
    pub fn load(home: &Home) -> (Self, Vec<Problem>) {
        let mut themes = Self::default();
        let (own, problems) = file::read_folder(&home.themes(), &themes.0);
        for theme in own {
            match themes.0.iter_mut().find(|known| known.name == theme.name) {
                Some(known) => *known = theme,
                None => themes.0.push(theme),
            }
        }
        (themes, problems)
    }

    /// Their names: those that come with Ziggurat, then the user's own from a to z.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Theme::name)
    }

    /// The theme of this name.
    pub fn get(&self, name: &str) -> Option<&Theme> {
        self.0.iter().find(|theme| theme.name == name)
    }

    /// The first theme, `dark`.
    pub fn first(&self) -> &Theme {
        &self.0[0]
    }

    /// The theme after the one called `name`; after the last, and after one that does not exist, the first.
    pub fn next(&self, name: &str) -> &Theme {
        let place = self.0.iter().position(|theme| theme.name == name);
        place
            .and_then(|place| self.0.get(place + 1))
            .unwrap_or(self.first())
    }
}

#[cfg(test)]
mod tests;
