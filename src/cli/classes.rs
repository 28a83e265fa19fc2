//! `ziggurat classes`: the classes of a model, optionally filtered by name.

use super::model_options::ModelOptions;
use super::preferences::Preferences;
use super::{Failure, output, startup};
use anyhow::anyhow;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use serde::Serialize;
use ziggurat::home::Home;
use ziggurat::model::{Classes, Error, ModelSource};

#[derive(clap::Args)]
pub struct Arguments {
    /// Path or name of a model; may be omitted: `ziggurat classes shark` filters the default model's classes
    model: Option<String>,
    /// Part of a class name; without an exact match, a fuzzy search
    filter: Option<String>,
    /// Print one JSON object per class
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model_options: ModelOptions,
}

#[derive(Serialize)]
struct Line<'a> {
    index: usize,
    name: &'a str,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let home = startup::home()?;
    let (model, filter) = match (arguments.model, arguments.filter) {
        (Some(only), None) if !is_model(&home, &only) => (None, Some(only)),
        given => given,
    };
    let preferences = Preferences::load(&home, &["model"]);
    let model = preferences.model(&home, model.as_deref())?;
    let network = startup::network(&home, model, &arguments.model_options)?;
    let classes = &network.classes;
    if network.logits().is_none() {
        let why =
            "the model has no class scores, and so no classes; `ziggurat layers` lists its layers";
        return Err(anyhow!(why).into());
    }
    let filter = filter.unwrap_or_default();
    let mut lines = matching(classes, &filter);
    if lines.is_empty() {
        // It may be an index; otherwise the error suggests similar names.
        let index = classes.find(&filter).map_err(Failure::usage)?;
        let name = classes.name(index).unwrap_or_default();
        lines.push(Line { index, name });
    }
    for line in lines {
        if arguments.json {
            output::json(&line)?;
        } else {
            output::line(&format!("{:>5}  {}", line.index, line.name))?;
        }
    }
    Ok(())
}

/// Whether a word is meant as a model, even if it cannot be opened.
fn is_model(home: &Home, word: &str) -> bool {
    !matches!(
        ModelSource::resolve(home, Some(word)),
        Err(Error::UnknownModel { .. })
    )
}

/// The classes whose name contains `filter`, in order; otherwise fuzzy matches, best first.
fn matching<'a>(classes: &'a Classes, filter: &str) -> Vec<Line<'a>> {
    let key = filter.to_lowercase();
    let line = |(index, name)| Line { index, name };
    let exact: Vec<Line> = classes
        .iter()
        .filter(|(_, name)| name.to_lowercase().contains(&key))
        .map(line)
        .collect();
    if !exact.is_empty() {
        return exact;
    }
    let mut matcher = Matcher::new(Config::DEFAULT);
    let pattern = Pattern::parse(filter, CaseMatching::Ignore, Normalization::Smart);
    let mut buffer = Vec::new();
    let mut ranked: Vec<_> = classes
        .iter()
        .filter_map(|(index, name)| {
            let text = Utf32Str::new(name, &mut buffer);
            Some((pattern.score(text, &mut matcher)?, line((index, name))))
        })
        .collect();
    ranked.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    ranked.into_iter().map(|(_, line)| line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_name_wins_over_a_similar_one() {
        let classes = Classes::new(["Tiger Shark", "hammerhead", "shower cap rack"], "t").unwrap();
        let found = |filter| -> Vec<usize> {
            let lines = matching(&classes, filter);
            lines.iter().map(|line| line.index).collect()
        };
        assert_eq!(found("shark"), [0]);
        assert_eq!(found("hmrhd"), [1]);
        assert_eq!(found(""), [0, 1, 2]);
        assert!(found("zzz").is_empty());
    }
}
