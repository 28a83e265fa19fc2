//! The user's settings in `config.toml`: defaults for the command line and the explorer; options override them.
//!
//! - [`document`]: a lenient TOML reader with line numbers, also used for themes
//! - [`preset`]: writes to `config.toml`
//! - [`Problem`]: an error in the file
//!
//! This module knows the file and the types of values. The modules above know which providers, themes, keys and
//! settings exist, and report an invalid one with [`Config::problem`].

pub mod document;
pub mod preset;
mod problem;

pub use document::Document;
pub use preset::{SaveError, check_preset_name, save_preset, save_theme};
pub use problem::Problem;

use crate::home::{self, Home};
use crate::setting_value::SettingValue;
use crate::suggest::{did_you_mean, suggestions};
use document::{Item, Problems, items};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The contents of `config.toml`. Every key is optional.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The model to open: a path or a card's name.
    pub model: Option<String>,
    /// The execution provider, as for `--provider`.
    pub provider: Option<String>,
    /// The models that judge finished pictures: paths or names of cards.
    pub judge: Vec<String>,
    /// The graphics protocol: `kitty`, `sixel`, `iterm2` or `blocks`; by default it is detected.
    pub graphics: Option<String>,
    /// The block characters: `half`, `quadrant`, `sextant` or `octant`; by default, or with `auto`, they are
    /// detected.
    pub blocks: Option<String>,
    /// The name of a theme.
    pub theme: Option<String>,
    /// How the user is notified when the queue is empty: `auto` (as the terminal can), `bell` or `off`.
    pub notify: Option<String>,
    /// Whether the mouse is used; `true` by default.
    pub mouse: bool,
    /// The folder for favourites, an absolute path.
    pub favourites: Option<PathBuf>,
    /// The keys of commands, in the order of the file.
    pub keys: Vec<(String, Vec<String>)>,
    /// The user's presets: values of settings by name. The names are not checked here.
    pub presets: BTreeMap<String, BTreeMap<String, SettingValue>>,
    file: PathBuf,
    /// The line number of every key, by its full name.
    lines: BTreeMap<String, usize>,
}

/// A top-level key of the file, and how its value is read.
struct ConfigKey {
    key: &'static str,
    take: fn(&mut Config, &Item<'_>, &mut Problems<'_>) -> Result<(), String>,
}

const KEYS: [ConfigKey; 11] = [
    ConfigKey {
        key: "model",
        take: |config, item, _| {
            config.model = Some(item.text()?.into());
            Ok(())
        },
    },
    ConfigKey {
        key: "provider",
        take: |config, item, _| {
            config.provider = Some(item.text()?.into());
            Ok(())
        },
    },
    ConfigKey {
        key: "judge",
        take: |config, item, _| {
            config.judge = item.texts()?;
            Ok(())
        },
    },
    ConfigKey {
        key: "graphics",
        take: |config, item, _| {
            config.graphics = Some(item.text()?.into());
            Ok(())
        },
    },
    ConfigKey {
        key: "blocks",
        take: |config, item, _| {
            config.blocks = Some(item.text()?.into());
            Ok(())
        },
    },
    ConfigKey {
        key: "theme",
        take: |config, item, _| {
            config.theme = Some(item.text()?.into());
            Ok(())
        },
    },
    ConfigKey {
        key: "notify",
        take: |config, item, _| {
            config.notify = Some(item.text()?.into());
            Ok(())
        },
    },
    ConfigKey {
        key: "mouse",
        take: |config, item, _| {
            config.mouse = item.flag()?;
            Ok(())
        },
    },
    ConfigKey {
        key: "favourites",
        take: |config, item, _| {
            config.favourites = Some(folder(item.text()?)?);
            Ok(())
        },
    },
    ConfigKey {
        key: "keys",
        take: take_keys,
    },
    ConfigKey {
        key: "presets",
        take: take_presets,
    },
];

/// The keys of the file.
pub fn keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|entry| entry.key)
}

impl Config {
    /// The user's settings and the problems of the file. Keys with problems keep their defaults.
    pub fn load(home: &Home) -> (Self, Vec<Problem>) {
        let file = home.settings();
        match Document::read(&file) {
            Ok(Some(document)) => Self::read(file, &document),
            Ok(None) => (Self::empty(file), Vec::new()),
            Err(problem) => (Self::empty(file), vec![problem]),
        }
    }

    /// The settings without a file.
    fn empty(file: PathBuf) -> Self {
        Self {
            model: None,
            provider: None,
            judge: Vec::new(),
            graphics: None,
            blocks: None,
            theme: None,
            notify: None,
            mouse: true,
            favourites: None,
            keys: Vec::new(),
            presets: BTreeMap::new(),
            file,
            lines: BTreeMap::new(),
        }
    }

    fn read(file: PathBuf, document: &Document) -> (Self, Vec<Problem>) {
        let mut config = Self::empty(file);
        let (table, mut problems) = document.parse();
        for item in items(table.get_ref()) {
            config.lines.insert(item.key.into(), document.line(item.at));
            match KEYS.iter().find(|entry| entry.key == item.key) {
                Some(entry) => {
                    if let Err(why) = (entry.take)(&mut config, &item, &mut problems) {
                        problems.add(item.at, item.key, || why);
                    }
                }
                None => problems.add(item.at, item.key, || unknown(item.key)),
            }
        }
        (config, problems.into_vec())
    }

    /// A problem with the value of `key`, such as `theme` or `keys.quit`, reported by the module that knows
    /// the valid values.
    pub fn problem(&self, key: &str, why: impl Into<String>) -> Problem {
        Problem {
            file: self.file.clone(),
            line: self.lines.get(key).copied(),
            key: key.into(),
            why: why.into(),
        }
    }
}

fn unknown(key: &str) -> String {
    let near = suggestions(key, keys());
    match near.as_slice() {
        [] => {
            let known: Vec<&str> = keys().collect();
            format!("unknown setting; available: {}", known.join(", "))
        }
        near => format!("unknown setting{}", did_you_mean(near)),
    }
}

fn take_keys(
    config: &mut Config,
    item: &Item<'_>,
    problems: &mut Problems<'_>,
) -> Result<(), String> {
    for binding in item.table()? {
        let key = format!("keys.{}", binding.key);
        match binding.texts() {
            Ok(keys) => config.keys.push((binding.key.into(), keys)),
            Err(why) => problems.add(binding.at, &key, || why),
        }
        config.lines.insert(key, problems.line(binding.at));
    }
    Ok(())
}

fn take_presets(
    config: &mut Config,
    item: &Item<'_>,
    problems: &mut Problems<'_>,
) -> Result<(), String> {
    for preset in item.table()? {
        let key = format!("presets.{}", preset.key);
        let values = preset::check_preset_name(preset.key).and_then(|()| preset.table());
        match values {
            Ok(values) => {
                let values = take_values(&key, &values, config, problems);
                config.presets.insert(preset.key.into(), values);
            }
            Err(why) => problems.add(preset.at, &key, || why),
        }
        config.lines.insert(key, problems.line(preset.at));
    }
    Ok(())
}

fn take_values(
    preset: &str,
    values: &[Item<'_>],
    config: &mut Config,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, SettingValue> {
    let mut taken = BTreeMap::new();
    for value in values {
        let key = format!("{preset}.{}", value.key);
        match value.setting() {
            Ok(read) => _ = taken.insert(value.key.to_string(), read),
            Err(why) => problems.add(value.at, &key, || why),
        }
        config.lines.insert(key, problems.line(value.at));
    }
    taken
}

/// The folder `text`; `~` is the user's home folder.
fn folder(text: &str) -> Result<PathBuf, String> {
    let below_home = match text {
        "~" => Some(""),
        _ => text.strip_prefix("~/"),
    };
    let path = match below_home {
        Some(rest) => home::user_folder()
            .ok_or("the home folder is unknown; write a path that begins with `/`")?
            .join(rest),
        None => Path::new(text).into(),
    };
    if path.is_absolute() {
        Ok(path)
    } else {
        Err("it must be an absolute path, or begin with `~/`".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::testing::home_with_settings;

    fn shown(problems: &[Problem]) -> Vec<String> {
        problems.iter().map(Problem::to_string).collect()
    }

    #[test]
    fn without_a_file_everything_is_default() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let (config, problems) = Config::load(&home);
        assert_eq!(problems, []);
        assert_eq!(config, Config::empty(home.settings()));
        assert!(config.mouse);
    }

    #[test]
    fn every_setting_is_read() {
        let (_folder, home) = home_with_settings(
            r##"
            # What I like.
            model = "resnet50"
            provider = "cuda:1"
            judge = ["efficientnet-lite1", "/srv/other.onnx"]
            graphics = "sixel"
            blocks = "sextant"
            theme = "light"
            notify = "bell"
            mouse = false
            favourites = "/srv/pictures"
            [keys]
            quit = ["Q", "ctrl-q"]
            pause = "space"
            [presets.soft]
            steps = 300
            tilt = 2.5
            mask_method = "layer-cam"
            "##,
        );
        let (config, problems) = Config::load(&home);
        assert_eq!(problems, []);
        assert_eq!(config.model.as_deref(), Some("resnet50"));
        assert_eq!(config.provider.as_deref(), Some("cuda:1"));
        assert_eq!(config.judge, ["efficientnet-lite1", "/srv/other.onnx"]);
        assert_eq!(config.graphics.as_deref(), Some("sixel"));
        assert_eq!(config.blocks.as_deref(), Some("sextant"));
        assert_eq!(config.theme.as_deref(), Some("light"));
        assert_eq!(config.notify.as_deref(), Some("bell"));
        assert!(!config.mouse);
        assert_eq!(
            config.favourites.as_deref(),
            Some(Path::new("/srv/pictures"))
        );
        let keys = [("quit", vec!["Q", "ctrl-q"]), ("pause", vec!["space"])];
        assert_eq!(
            config.keys,
            keys.map(|(name, keys)| (name.into(), keys.into_iter().map(String::from).collect()))
        );
        let soft = [
            ("steps".into(), 300.0.into()),
            ("tilt".into(), 2.5.into()),
            ("mask_method".into(), "layer-cam".into()),
        ];
        assert_eq!(config.presets["soft"], BTreeMap::from(soft));
    }

    #[test]
    fn an_invalid_value_is_an_error_with_its_line_and_the_rest_is_used() {
        let (_folder, home) = home_with_settings(concat!(
            "theem = \"light\"\n",
            "mouse = \"yes\"\n",
            "favourites = \"pictures\"\n",
            "model = = 3\n",
            "provider = \"cpu\"\n",
            "[keys]\n",
            "quit = 3\n",
            "[presets.\"../x\"]\n",
            "[presets.soft]\n",
            "steps = [3]\n",
            "tilt = 2\n",
        ));
        let (config, problems) = Config::load(&home);
        let shown = shown(&problems);
        for expected in [
            "config.toml:1: theem: unknown setting; did you mean `theme`?",
            "config.toml:2: mouse: it must be true or false; a value of type string is given",
            "config.toml:3: favourites: it must be an absolute path, or begin with `~/`",
            "config.toml:4: model: invalid TOML:",
            "config.toml:7: keys.quit: it must be text in quotes",
            "config.toml:8: presets.../x: ",
            "config.toml:10: presets.soft.steps: it must be a number or text in quotes",
        ] {
            assert!(
                shown.iter().any(|line| line.starts_with(expected)),
                "{expected}\n{shown:#?}"
            );
        }
        assert_eq!(config.provider.as_deref(), Some("cpu"));
        assert_eq!(
            config.presets["soft"],
            BTreeMap::from([("tilt".into(), 2.0.into())])
        );
        assert_eq!(config.presets.len(), 1);
        assert!(config.mouse && config.keys.is_empty() && config.favourites.is_none());
    }

    #[test]
    fn a_problem_of_a_module_above_has_the_line() {
        let (_folder, home) = home_with_settings("\ntheme = \"mud\"\n[keys]\nquit = \"q\"\n");
        let (config, _) = Config::load(&home);
        assert_eq!(
            config.problem("keys.quit", "no").to_string(),
            "config.toml:4: keys.quit: no"
        );
        assert_eq!(config.problem("theme", "no").line, Some(2));
        assert_eq!(config.problem("model", "no").line, None);
    }

    #[test]
    fn a_tilde_is_the_home_folder() {
        let own = home::user_folder().unwrap();
        assert_eq!(folder("~/a/b").unwrap(), own.join("a/b"));
        assert_eq!(folder("~").unwrap(), own);
        assert!(folder("~other/a").is_err());
    }
}
