//! Writes presets and the theme to `config.toml`. Comments, order and everything else stay. The file is replaced
//! atomically.

use super::document::MAX_FILE;
use super::{Document, Problem};
use crate::files;
use crate::home::Home;
use crate::setting_value::SettingValue;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, Item, Table};

/// Maximum length of a preset's name.
const MAX_NAME: usize = 32;

/// The names that [`save_preset`] accepts, as a regular expression.
pub const NAME_PATTERN: &str = "^[A-Za-z0-9_-]{1,32}$";

/// Integers below this are exact as [`f64`].
const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

/// Why `config.toml` was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    #[error("the preset was not saved: {0}")]
    Name(String),
    #[error("the preset was not saved: {key} = {value} is not a finite number")]
    NotFinite { key: String, value: f64 },
    #[error("nothing was saved; correct the file first: {0}")]
    Broken(Problem),
    #[error("{}: nothing was saved: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// Checks the name of a preset: 1 to 32 letters, digits, `-` or `_`, so that it can be typed in a shell.
///
/// # Errors
/// The rule, in one line.
pub fn check_preset_name(name: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed) {
        Ok(())
    } else {
        Err(format!(
            "a preset's name is made of 1 to {MAX_NAME} letters of a to z, digits, `-` or `_`"
        ))
    }
}

/// Saves a preset in `config.toml`, replacing one of the same name.
///
/// # Errors
/// [`SaveError`]; the file is then unchanged.
pub fn save_preset(
    home: &Home,
    name: &str,
    values: &BTreeMap<String, SettingValue>,
) -> Result<(), SaveError> {
    check_preset_name(name).map_err(SaveError::Name)?;
    for (key, value) in values {
        if let SettingValue::Number(value) = *value
            && !value.is_finite()
        {
            let key = key.clone();
            return Err(SaveError::NotFinite { key, value });
        }
    }
    change(&home.settings(), |document| {
        let mut heading = Table::new();
        // `[presets]` has no values of its own and therefore needs no header.
        heading.set_implicit(true);
        let presets = document
            .entry("presets")
            .or_insert(Item::Table(heading))
            .as_table_like_mut()
            .ok_or(("presets".into(), "it must be a table"))?;
        let preset = presets
            .entry(name)
            .or_insert(Item::Table(Table::new()))
            .as_table_like_mut()
            .ok_or((format!("presets.{name}"), "it must be a table"))?;
        let gone: Vec<String> = preset
            .iter()
            .map(|(key, _)| key.to_string())
            .filter(|key| !values.contains_key(key))
            .collect();
        for key in gone {
            preset.remove(&key);
        }
        for (key, value) in values {
            put(preset.entry(key).or_insert(Item::None), written(value));
        }
        Ok(())
    })
}

/// Saves the name of the theme used at the next start.
///
/// # Errors
/// [`SaveError`]; the file is then unchanged.
pub fn save_theme(home: &Home, name: &str) -> Result<(), SaveError> {
    change(&home.settings(), |document| {
        put(document.entry("theme").or_insert(Item::None), name.into());
        Ok(())
    })
}

fn written(value: &SettingValue) -> toml_edit::Value {
    match value {
        SettingValue::Text(text) => text.into(),
        SettingValue::Number(number)
            if number.fract() == 0.0 && number.abs() < MAX_EXACT_INTEGER =>
        {
            (*number as i64).into()
        }
        SettingValue::Number(number) => (*number).into(),
    }
}

/// Replaces the value of `item` and keeps the comment after it.
fn put(item: &mut Item, mut value: toml_edit::Value) {
    if let Some(old) = item.as_value() {
        *value.decor_mut() = old.decor().clone();
    }
    *item = Item::Value(value);
}

/// Edits the file at `path` with `edit`, which returns the key and the reason on failure.
fn change(
    path: &Path,
    edit: impl FnOnce(&mut DocumentMut) -> Result<(), (String, &'static str)>,
) -> Result<(), SaveError> {
    let failed = |source| SaveError::File {
        path: path.into(),
        source,
    };
    let problem = |line, key, why: String| {
        SaveError::Broken(Problem {
            file: path.into(),
            line,
            key,
            why,
        })
    };
    // A symbolic link, common where settings are shared between machines, stays a link.
    let file = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_path_buf(),
        found => found.map_err(failed)?,
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let _lock = files::lock_folder(folder);
    let document = Document::read(&file).map_err(SaveError::Broken)?;
    let text = document.as_ref().map_or("", Document::text);
    let mut edited: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        let line = error.span().zip(document.as_ref());
        let line = line.map(|(span, document)| document.line(span.start));
        problem(line, String::new(), error.message().into())
    })?;
    edit(&mut edited).map_err(|(key, why)| problem(None, key, why.into()))?;
    let text = edited.to_string();
    if text.len() as u64 > MAX_FILE {
        let most = MAX_FILE >> 10;
        return Err(problem(
            None,
            String::new(),
            format!("it would be larger than {most} KiB"),
        ));
    }
    files::write(&file, text.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::home::testing::home_with_settings;

    fn values(pairs: &[(&str, f64)]) -> BTreeMap<String, SettingValue> {
        pairs
            .iter()
            .map(|(key, value)| (key.to_string(), SettingValue::Number(*value)))
            .collect()
    }

    fn text(home: &Home) -> String {
        fs::read_to_string(home.settings()).unwrap()
    }

    #[test]
    fn the_first_preset_creates_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let soft = values(&[("tilt", 1.85), ("steps", 300.0)]);
        save_preset(&home, "soft", &soft).unwrap();
        assert_eq!(text(&home), "[presets.soft]\nsteps = 300\ntilt = 1.85\n");
        let (config, problems) = Config::load(&home);
        assert_eq!(problems, []);
        assert_eq!(config.presets["soft"], soft);
    }

    #[test]
    fn comments_and_order_are_preserved() {
        let (_folder, home) = home_with_settings(concat!(
            "# mine\n",
            "theme = 'light' # by day\n\n",
            "[presets.soft] # as Ann likes it\n",
            "steps = 100 # enough\n",
            "tilt = 2.0\n\n",
            "[keys]\n",
            "quit = \"Q\"\n",
        ));
        save_preset(&home, "soft", &values(&[("steps", 200.0), ("noise", 0.1)])).unwrap();
        save_preset(&home, "new", &values(&[])).unwrap();
        save_theme(&home, "dark").unwrap();
        assert_eq!(
            text(&home),
            concat!(
                "# mine\n",
                "theme = \"dark\" # by day\n\n",
                "[presets.soft] # as Ann likes it\n",
                "steps = 200 # enough\n",
                "noise = 0.1\n\n",
                "[presets.new]\n\n",
                "[keys]\n",
                "quit = \"Q\"\n",
            )
        );
    }

    #[test]
    fn every_toml_syntax_of_presets_is_edited() {
        for before in [
            "presets = { soft = { steps = 1 } }\n",
            "presets.soft.steps = 1\n",
            "presets.soft = { steps = 1 }\n",
            "[presets]\nsoft.steps = 1\n",
            "[presets]\n[presets.soft]\n",
        ] {
            let (_folder, home) = home_with_settings(before);
            let (soft, hard) = (
                values(&[("steps", 2.0), ("noise", 0.5)]),
                values(&[("tilt", 3.0)]),
            );
            save_preset(&home, "soft", &soft).unwrap();
            save_preset(&home, "hard", &hard).unwrap();
            let (config, problems) = Config::load(&home);
            assert_eq!(problems, [], "{before}");
            assert_eq!(config.presets["soft"], soft, "{before}");
            assert_eq!(config.presets["hard"], hard, "{before}");
        }
    }

    #[test]
    fn an_invalid_file_is_not_changed() {
        for (before, why) in [
            ("theme = \n", "config.toml:1:"),
            ("presets = 3\n", "presets: it must be a table"),
            ("presets.soft = 3\n", "presets.soft: it must be a table"),
        ] {
            let (_folder, home) = home_with_settings(before);
            let problem = save_preset(&home, "soft", &values(&[]))
                .unwrap_err()
                .to_string();
            assert!(problem.contains(why), "{problem}");
            assert_eq!(text(&home), before);
        }
        let (_folder, home) = home_with_settings("");
        for name in ["", "a b", "../a", "a.b", "é", &"a".repeat(33)] {
            assert!(matches!(
                save_preset(&home, name, &values(&[])),
                Err(SaveError::Name(_))
            ));
        }
        let infinite = save_preset(&home, "a", &values(&[("steps", f64::INFINITY)]));
        assert!(matches!(infinite, Err(SaveError::NotFinite { .. })));
        assert_eq!(text(&home), "");
    }

    #[test]
    #[cfg(unix)]
    fn a_symbolic_link_stays_a_link() {
        let (folder, home) = home_with_settings("");
        let real = folder.path().join("dotfiles.toml");
        fs::rename(home.settings(), &real).unwrap();
        std::os::unix::fs::symlink(&real, home.settings()).unwrap();
        save_theme(&home, "light").unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "theme = \"light\"\n");
        assert!(home.settings().is_symlink());
    }

    #[test]
    fn concurrent_saves_are_all_kept() {
        let (_folder, home) = home_with_settings("");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let home = &home;
                scope.spawn(move || {
                    for round in 0..5 {
                        let name = format!("p{thread}-{round}");
                        save_preset(home, &name, &values(&[("steps", 1.0)])).unwrap();
                    }
                });
            }
        });
        assert_eq!(Config::load(&home).0.presets.len(), 20);
    }
}
