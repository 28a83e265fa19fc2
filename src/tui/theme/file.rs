//! Theme files: the built-in ones in `themes/*.toml`, and those in the user's folder.
//!
//! ```toml
//! base = "light"                       # provides the missing roles; default "dark"
//! [colours]                            # names for colours, only for this file
//! rose = "#b3224f"
//! [roles]
//! accent = { fg = "rose", bold = true }
//! border = { fg = "grey" }
//! ```

use super::{Colour, Look, ROLES, Role, Theme};
use crate::config::document::{Item, Problems, items};
use crate::config::{Document, Problem};
use crate::suggest::{did_you_mean, suggestions};
use ratatui::style::Modifier;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The built-in themes. The first provides missing roles.
const BUILT_IN: [(&str, &str); 4] = [
    ("dark", include_str!("../../../themes/dark.toml")),
    ("light", include_str!("../../../themes/light.toml")),
    (
        "high-contrast",
        include_str!("../../../themes/high-contrast.toml"),
    ),
    ("sixteen", include_str!("../../../themes/sixteen.toml")),
];

/// Maximum number of themes of the user.
const MAX_THEMES: usize = 100;

/// Maximum length of a theme's name, in characters.
const MAX_NAME: usize = 40;

/// The attributes of a style besides its colours.
const MODIFIERS: [(&str, Modifier); 5] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underline", Modifier::UNDERLINED),
    ("reverse", Modifier::REVERSED),
];

/// The keys of the top-level table.
const KEYS: [&str; 3] = ["base", "colours", "roles"];

/// The built-in themes, `dark` first.
pub(super) fn built_in() -> Vec<Theme> {
    let mut themes: Vec<Theme> = Vec::new();
    for (name, text) in BUILT_IN {
        let document = Document::new(format!("{name}.toml").into(), text.into());
        let (theme, problems) = read(name, &document, &themes);
        debug_assert!(problems.is_empty(), "{problems:?}");
        themes.push(theme);
    }
    themes
}

/// The themes of the files in `folder`, by name, and the problems. If the folder does not exist, there are none.
pub(super) fn read_folder(folder: &Path, built_in: &[Theme]) -> (Vec<Theme>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            problems.push(file_problem(folder, error.to_string()));
            Vec::new()
        }
    };
    paths.sort();
    if paths.len() > MAX_THEMES {
        let why = format!(
            "of {} themes only the first {MAX_THEMES} are read",
            paths.len()
        );
        problems.push(file_problem(folder, why));
        paths.truncate(MAX_THEMES);
    }
    let mut themes = Vec::new();
    for path in paths {
        match read_file(&path, built_in) {
            Ok((theme, found)) => {
                themes.push(theme);
                problems.extend(found);
            }
            Err(problem) => problems.push(problem),
        }
    }
    (themes, problems)
}

fn file_problem(path: &Path, why: String) -> Problem {
    Problem {
        file: path.into(),
        line: None,
        key: String::new(),
        why,
    }
}

fn read_file(path: &Path, built_in: &[Theme]) -> Result<(Theme, Vec<Problem>), Problem> {
    let name = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .filter(|name| {
            let shown = |character: char| character.is_alphanumeric() || "-_ .".contains(character);
            name.chars().count() <= MAX_NAME && name.chars().all(shown)
        });
    let Some(name) = name else {
        let why = format!(
            "a theme's file is named with at most {MAX_NAME} letters, digits, spaces, `.`, `-` or `_`"
        );
        return Err(file_problem(path, why));
    };
    match Document::read(path)? {
        Some(document) => Ok(read(name, &document, built_in)),
        None => Err(file_problem(
            path,
            "the file is gone, or a broken link".into(),
        )),
    }
}

/// The theme of a document. Missing roles come from the theme named as its base, by default the first of `bases`.
fn read(name: &str, document: &Document, bases: &[Theme]) -> (Theme, Vec<Problem>) {
    let (table, mut problems) = document.parse();
    let mut reader = Reader {
        colours: HashMap::new(),
        looks: bases
            .first()
            .map_or([Look::default(); ROLES.len()], |base| base.looks),
    };
    let mut top = items(table.get_ref());
    // Definitions come first, wherever they stand.
    top.sort_by_key(|item| KEYS.iter().position(|key| *key == item.key));
    for item in top {
        let taken = match item.key {
            "base" => reader.base(&item, bases),
            "colours" => reader.colours(&item, &mut problems),
            "roles" => reader.roles(&item, &mut problems),
            key => Err(format!(
                "a theme has `base`, `[colours]` and `[roles]`{}",
                did_you_mean(&suggestions(key, KEYS.into_iter()))
            )),
        };
        if let Err(why) = taken {
            problems.add(item.at, item.key, || why);
        }
    }
    let theme = Theme {
        name: name.into(),
        looks: reader.looks,
    };
    (theme, problems.into_vec())
}

/// The parts of a theme read so far.
struct Reader {
    colours: HashMap<String, Colour>,
    looks: [Look; ROLES.len()],
}

impl Reader {
    fn base(&mut self, item: &Item<'_>, bases: &[Theme]) -> Result<(), String> {
        let name = item.text()?;
        let base = bases
            .iter()
            .find(|theme| theme.name == name)
            .ok_or_else(|| {
                let known: Vec<&str> = bases.iter().map(Theme::name).collect();
                format!(
                    "it must be a theme that comes with Ziggurat: {}",
                    known.join(", ")
                )
            })?;
        self.looks = base.looks;
        Ok(())
    }

    fn colours(&mut self, item: &Item<'_>, problems: &mut Problems<'_>) -> Result<(), String> {
        for named in item.table()? {
            match self.colour(&named) {
                Ok(colour) => _ = self.colours.insert(named.key.into(), colour),
                Err(why) => problems.add(named.at, &format!("colours.{}", named.key), || why),
            }
        }
        Ok(())
    }

    fn roles(&mut self, item: &Item<'_>, problems: &mut Problems<'_>) -> Result<(), String> {
        for described in item.table()? {
            let key = format!("roles.{}", described.key);
            let Some(role) = Role::named(described.key) else {
                problems.add(described.at, &key, || {
                    let names = ROLES.iter().map(|entry| entry.name);
                    let near = did_you_mean(&suggestions(described.key, names));
                    format!("unknown role{near}")
                });
                continue;
            };
            match described.table() {
                Ok(fields) => {
                    let base = self.looks[role as usize];
                    self.looks[role as usize] = self.look(&key, &fields, base, problems);
                }
                Err(why) => problems.add(described.at, &key, || why),
            }
        }
        Ok(())
    }

    /// The style of `fields`: missing attributes are unset, and invalid ones are taken from `base`.
    fn look(
        &self,
        role: &str,
        fields: &[Item<'_>],
        base: Look,
        problems: &mut Problems<'_>,
    ) -> Look {
        let mut look = Look::default();
        for field in fields {
            let modifier = MODIFIERS.iter().find(|(name, _)| *name == field.key);
            let taken = match (field.key, modifier) {
                ("fg", _) => keep(&mut look.fg, self.colour(field), base.fg),
                ("bg", _) => keep(&mut look.bg, self.colour(field), base.bg),
                (_, Some((_, modifier))) => {
                    field.flag().map(|on| look.modifiers.set(*modifier, on))
                }
                _ => Err(
                    "a role has `fg`, `bg`, `bold`, `dim`, `italic`, `underline` and `reverse`"
                        .into(),
                ),
            };
            if let Err(why) = taken {
                problems.add(field.at, &format!("{role}.{}", field.key), || why);
            }
        }
        look
    }

    /// The colour of an item: a name defined in this file, or as [`Colour`] reads it.
    fn colour(&self, item: &Item<'_>) -> Result<Colour, String> {
        if let Ok(number) = item.number() {
            let index =
                (number.fract() == 0.0 && (0.0..=255.0).contains(&number)).then_some(number as u8);
            return index
                .map(Colour::Indexed)
                .ok_or_else(|| format!("{number} is not a colour of the palette: 0 to 255"));
        }
        let text = item.text()?;
        match self.colours.get(text) {
            Some(colour) => Ok(*colour),
            None => text
                .parse()
                .map_err(|problem: super::colour::NoColour| problem.to_string()),
        }
    }
}

/// Stores a parsed value, or keeps that of the base.
fn keep(
    place: &mut Option<Colour>,
    read: Result<Colour, String>,
    base: Option<Colour>,
) -> Result<(), String> {
    *place = read.as_ref().ok().copied().or(base);
    read.map(drop)
}
