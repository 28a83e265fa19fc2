//! The options that say which runs are meant: targets, models and settings. `run` makes these runs, `history missing`
//! lists those that the history does not hold.

use super::preferences::Preferences;
use super::{Failure, output};
use anyhow::anyhow;
use std::io;
use std::path::{Path, PathBuf};
use ziggurat::ascent::Settings;
use ziggurat::home::Home;
use ziggurat::runs::Spec;
use ziggurat::runs::shard::Shard;
use ziggurat::runs::target_list::{self, Line, ListError};
use ziggurat::runtime::device::{PROVIDER_LISTS, PROVIDERS};

/// The name of the group of the options that name targets.
pub const WHAT: &str = "what";

/// The ids of the options that name targets.
pub const NAMING: [&str; 4] = ["targets", "lists", "all", "all_classes"];

#[derive(clap::Args)]
#[group(skip)]
pub struct RunOptions {
    /// Classes by name or index, LAYER:CHANNEL, LAYER:CHANNEL:Y,X (one neuron), or LAYER. An exact
    /// name takes precedence over an index; class:, not: (the negative) and layer: may come before
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Targets from a file, or from standard input (-): one per line; blank lines and lines that
    /// begin with # are skipped (repeatable)
    #[arg(long = "targets", value_name = "FILE")]
    pub lists: Vec<PathBuf>,
    /// Every channel of a layer (repeatable)
    #[arg(long, value_name = "LAYER")]
    all: Vec<String>,
    /// Every class
    #[arg(long)]
    all_classes: bool,
    /// Only part M of N of the runs. A hash of the run id decides, so that N processes, on any
    /// machines, divide the runs among them
    #[arg(long, value_name = "M/N")]
    pub shard: Option<Shard>,
    /// Path or name of a model (repeatable: every target is run in each model) [default: that of config.toml, or
    /// efficientnet-lite0]
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// Random seed: the initial picture and the random views depend on it [default: 0]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Total steps; short for --set steps=N
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// Settings to start from: default, draft, fine, vivid, or a preset of config.toml
    #[arg(long)]
    preset: Option<String>,
    /// Override a setting (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Change settings at a step: branches the run there (repeatable, in the order of the steps)
    #[arg(
        long = "then",
        value_name = "STEP:KEY=VALUE,...",
        allow_hyphen_values = true
    )]
    thens: Vec<String>,
    #[arg(long, value_name = "PROVIDERS", help = format!("Execution provider: {PROVIDERS}; {PROVIDER_LISTS} [default: that of config.toml, or auto]"))]
    pub provider: Option<String>,
}

/// A step after which settings change.
pub struct Then {
    pub step: usize,
    /// Keys and values.
    pub changes: Vec<(String, String)>,
}

/// The targets that options name, as they were given.
pub struct Wanted {
    /// Targets, each with its place in a list if it is from one.
    pub texts: Vec<(Option<String>, String)>,
    /// Layers all of whose channels are meant.
    pub layers: Vec<String>,
    pub all_classes: bool,
}

impl RunOptions {
    /// Whether they can only mean one run of each model.
    pub fn names_one(&self) -> bool {
        let many = !self.lists.is_empty() || !self.all.is_empty() || self.all_classes;
        !many && self.targets.len() <= 1
    }

    /// The keys of `config.toml` that they leave to it.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = vec!["model".to_string(), "provider".into()];
        let preset = self.preset.as_ref();
        keys.extend(preset.map(|name| format!("presets.{name}")));
        keys
    }

    /// Reads the lists; the targets in their order.
    ///
    /// # Errors
    /// If a list cannot be read.
    pub fn wanted(&self) -> Result<Wanted, Failure> {
        let is_input = |path: &&PathBuf| *path == Path::new("-");
        if self.lists.iter().filter(is_input).count() > 1 {
            let problem = anyhow!("--targets -: standard input can be read once only");
            return Err(Failure::usage(problem));
        }
        let given = self.targets.iter().map(|text| (None, text.clone()));
        let mut texts: Vec<(Option<String>, String)> = given.collect();
        for path in &self.lists {
            let name = path.display();
            let lines = lines(path).map_err(|problem| anyhow!("--targets {name}: {problem}"))?;
            let place = |number: usize| Some(format!("--targets {name}:{number}"));
            let lines = lines.into_iter();
            texts.extend(lines.map(|line| (place(line.number), line.target)));
        }
        Ok(Wanted {
            texts,
            layers: self.all.clone(),
            all_classes: self.all_classes,
        })
    }

    /// The models that are asked for, each once; `None` is the default one.
    pub fn models<'a>(
        &'a self,
        home: &Home,
        preferences: &'a Preferences,
        from: Option<&'a Spec>,
    ) -> Result<Vec<Option<&'a str>>, Failure> {
        let mut models: Vec<Option<&str>> = Vec::new();
        for model in &self.models {
            if !models.contains(&Some(model.as_str())) {
                models.push(Some(model));
            }
        }
        match (models.len(), from) {
            (0, Some(spec)) => Ok(vec![Some(&spec.model)]),
            (0, None) => Ok(vec![preferences.model(home, None)?]),
            (2.., Some(_)) => Err(Failure::usage(anyhow!(
                "--from repeats the run of one model: give --model once"
            ))),
            _ => Ok(models),
        }
    }

    /// The settings that the options ask for.
    pub fn settings(
        &self,
        preferences: &Preferences,
        from: Option<&Spec>,
    ) -> Result<Settings, Failure> {
        let mut settings = match (from, &self.preset) {
            (Some(spec), _) => spec.settings.clone(),
            (None, Some(preset)) => preferences.preset(preset)?,
            (None, None) => Settings::default(),
        };
        if let Some(steps) = self.steps {
            settings
                .set("steps", f64::from(steps).into())
                .map_err(Failure::usage)?;
        }
        for set in &self.sets {
            let (key, value) = set
                .split_once('=')
                .ok_or_else(|| Failure::usage(anyhow!("--set {set}: expected KEY=VALUE")))?;
            settings
                .set_text(key.trim(), value)
                .map_err(Failure::usage)?;
        }
        Ok(settings)
    }

    /// The changes that `--then` asks for: each `STEP:KEY=VALUE,KEY=VALUE`.
    pub fn thens(&self) -> Result<Vec<Then>, Failure> {
        let read = |text: &String| {
            let wrong =
                || Failure::usage(anyhow!("--then {text}: expected STEP:KEY=VALUE,KEY=VALUE"));
            let (step, changes) = text.split_once(':').ok_or_else(wrong)?;
            let change = |change: &str| {
                let (key, value) = change.split_once('=').ok_or_else(wrong)?;
                Ok::<_, Failure>((key.trim().to_string(), value.to_string()))
            };
            Ok(Then {
                step: step.trim().parse().map_err(|_| wrong())?,
                changes: changes.split(',').map(change).collect::<Result<_, _>>()?,
            })
        };
        self.thens.iter().map(read).collect()
    }

    /// Prints which part of so many runs the shard is, if there is one, or that there are none.
    pub fn explain_count(&self, all: usize, in_shard: usize) {
        let count = |count| ziggurat::text::counted(count, "run");
        match (self.shard, all) {
            (_, 0) => output::notice("no targets are given: there is nothing to run"),
            (Some(shard), _) => {
                output::notice(&format!("shard {shard}: {in_shard} of {}", count(all)));
            }
            (None, _) => {}
        }
    }
}

/// What may be given as a list.
const LIST: &str = "give a text file with one target per line, or - for standard input";

/// The lines of a list in a file, or from standard input. A pipe is a file too: `--targets <(command)`.
fn lines(path: &Path) -> anyhow::Result<Vec<Line>> {
    let cannot = |problem: io::Error| match problem.kind() {
        io::ErrorKind::NotFound => anyhow!("there is no such file; {LIST}"),
        io::ErrorKind::IsADirectory => anyhow!("it is a folder; {LIST}"),
        _ => anyhow!("it cannot be read: {problem}; {LIST}"),
    };
    let lines = if path == Path::new("-") {
        target_list::read(io::stdin().lock())
    } else {
        target_list::read(std::fs::File::open(path).map_err(cannot)?)
    };
    lines.map_err(|problem| match problem {
        ListError::Read(problem) => cannot(problem),
        other => other.into(),
    })
}
