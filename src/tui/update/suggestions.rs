//! Completions of an argument in the palette.

use crate::ascent::settings::{Domain, KNOBS, Knob, PRESETS, knob};
use crate::runs::format;
use crate::runs::worker::ModelInfo;
use crate::tui::app::App;
use crate::tui::forms::{Completion, Form, Verb};
use crate::tui::fuzzy;
use crate::tui::next_run::NextRun;

/// Maximum number of listed completions.
const MAX_LISTED: usize = 200;

/// The completions of a form's argument.
pub fn completions(app: &App, form: &Form, argument: &str) -> Vec<Completion> {
    let opened = app.model.opened();
    let found: Vec<(String, String)> = match form.verb {
        Verb::Run => opened.map_or_else(Vec::new, |opened| targets(opened, argument)),
        Verb::Set => settings(app, argument, true),
        Verb::Sweep => {
            let (before, last) = match argument.rsplit_once(' ') {
                Some((before, last)) => (format!("{before} "), last),
                None => (String::new(), argument),
            };
            let found = settings(app, last, false).into_iter();
            found
                .map(|(word, help)| (format!("{before}{word}"), help))
                .collect()
        }
        Verb::Seed => match argument {
            "" => vec![(
                app.next_run.seed.wrapping_add(1).to_string(),
                format!("next seed; now {}", app.next_run.seed),
            )],
            _ => Vec::new(),
        },
        Verb::Preset => presets(&app.next_run, argument),
        Verb::Theme => {
            let names: Vec<&str> = app.environment.themes.names().collect();
            let help = |name: &str| {
                if name == app.theme_name {
                    "now".to_string()
                } else {
                    String::new()
                }
            };
            matching(argument, &names, help)
        }
        Verb::Open | Verb::Export => Vec::new(),
    };
    let line = |(word, help)| Completion {
        line: format!("{} {word}", form.name),
        help,
    };
    found.into_iter().take(MAX_LISTED).map(line).collect()
}

/// The argument to use for a typed one: where only listed names are valid, the best match, unless the text is itself
/// listed.
pub fn resolved(app: &App, form: &Form, argument: &str) -> String {
    let takes_names = matches!(form.verb, Verb::Preset | Verb::Theme);
    if !takes_names || argument.is_empty() {
        return argument.to_owned();
    }
    let prefix = format!("{} ", form.name);
    let names = completions(app, form, argument).into_iter();
    let names: Vec<String> = names
        .filter_map(|completion| Some(completion.line.strip_prefix(&prefix)?.to_owned()))
        .collect();
    match names.first() {
        Some(first) if !names.iter().any(|name| name == argument) => first.clone(),
        _ => argument.to_owned(),
    }
}

/// Matching names, each with a note.
fn matching(text: &str, names: &[&str], help: impl Fn(&str) -> String) -> Vec<(String, String)> {
    let found = fuzzy::matches(text, names.iter().copied()).into_iter();
    found
        .map(|index| (names[index].to_string(), help(names[index])))
        .collect()
}

fn presets(plan: &NextRun, text: &str) -> Vec<(String, String)> {
    let names = plan.presets();
    matching(text, &names, |name| {
        let built_in = PRESETS.iter().find(|preset| preset.name == name);
        built_in.map_or("your own", |preset| preset.help).into()
    })
}

/// Classes, then layers; the text before them stays.
fn targets(opened: &ModelInfo, text: &str) -> Vec<(String, String)> {
    let prefixes = ["class:", "not:", "layer:"];
    let prefix = prefixes.into_iter().find(|prefix| text.starts_with(prefix));
    let prefix = prefix.unwrap_or_default();
    let wanted = &text[prefix.len()..];
    let mut found = Vec::new();
    if prefix != "layer:" && opened.logits.is_some() {
        found.extend(classes(opened, wanted, prefix));
    }
    if !matches!(prefix, "class:" | "not:") {
        let names: Vec<&str> = opened
            .layers
            .iter()
            .map(|layer| layer.name.as_str())
            .collect();
        let layers = fuzzy::matches(wanted, names.iter().copied()).into_iter();
        found.extend(layers.take(MAX_LISTED).map(|index| {
            let layer = &opened.layers[index];
            let help = format!("layer of {} channels", layer.channels());
            (layer.name.clone(), help)
        }));
    }
    let completed = |(word, help): (String, String)| (format!("{prefix}{word}"), help);
    found.into_iter().map(completed).collect()
}

/// Matching classes, as they may follow `prefix`; a class that shares its name is completed by its index.
fn classes(opened: &ModelInfo, text: &str, prefix: &str) -> Vec<(String, String)> {
    let classes = &opened.classes;
    let names = (0..classes.len()).map(|index| classes.name(index).unwrap_or_default());
    let mut found = fuzzy::matches(text, names);
    // A number is a class index, whatever the classes are called.
    if let Ok(index) = text.parse::<usize>()
        && index < classes.len()
    {
        found.retain(|other| *other != index);
        found.insert(0, index);
    }
    // Another target may be called so, too, or be read from this text.
    let means = |text: &str, index: usize| {
        let target = opened.scope().read(&format!("{prefix}{text}"));
        target.is_ok_and(|target| target.objective.kind.is_of_class() && target.unit.index == index)
    };
    let is_negative = |text: &str| prefix.is_empty() && text.starts_with("not:");
    let class = if prefix.is_empty() { "class:" } else { "" };
    let word = |index: usize| {
        let name = classes.name(index).unwrap_or_default();
        let forms = [name.to_string(), format!("{class}{name}")];
        let fits = |form: &String| !is_negative(form) && means(form, index);
        match forms.into_iter().find(fits) {
            Some(form) => (form, format!("class {index}")),
            None => {
                let number = classes.index_text(index);
                (format!("{class}{number}"), name.to_string())
            }
        }
    };
    found.into_iter().take(MAX_LISTED).map(word).collect()
}

/// Settings by name, and their values after `=`; the values of a grid have no completion.
fn settings(app: &App, text: &str, has_values: bool) -> Vec<(String, String)> {
    if let Some((key, value)) = text.split_once('=') {
        return match knob(key) {
            Some(knob) if has_values => values(app, knob, value),
            _ => Vec::new(),
        };
    }
    let keys: Vec<&str> = KNOBS.iter().map(|knob| knob.key).collect();
    let found = fuzzy::matches(text, keys.iter().copied()).into_iter();
    found
        .map(|index| {
            let knob = &KNOBS[index];
            let now = app.next_run.settings.get(knob.key);
            let now = format::value(&now.unwrap_or_else(|| knob.default()));
            (
                format!("{}=", knob.key),
                format!("{now} now; {}", knob.help.trim()),
            )
        })
        .collect()
}

fn values(app: &App, knob: &Knob, text: &str) -> Vec<(String, String)> {
    let found = match knob.domain {
        Domain::Choice(names) => matching(text, names, |_| String::new()),
        Domain::Layer => {
            let layers = app.model.opened().map(|opened| &opened.layers[..]);
            let layers = layers.unwrap_or_default().iter();
            let names: Vec<&str> = layers.map(|layer| layer.name.as_str()).collect();
            matching(text, &names, |_| String::new())
        }
        Domain::Number { .. } if text.is_empty() => {
            let default = knob.default().to_string();
            vec![(default, format!("the default; {}", knob.allowed()))]
        }
        Domain::Number { .. } => Vec::new(),
    };
    let completed = |(value, help)| (format!("{}={value}", knob.key), help);
    found.into_iter().map(completed).collect()
}
