//! What can be typed in the palette beside the commands' names: commands with an argument, and what could complete it.

use super::app::App;
use super::fuzzy;
use super::plan::Plan;
use crate::ascent::settings::{Domain, KNOBS, Knob, PRESETS, knob};
use crate::runs::words;
use crate::runs::worker::Opened;

/// Most completions that are listed.
const MOST: usize = 200;

/// What is done with an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Run,
    Set,
    Seed,
    Preset,
    Sweep,
    Open,
    Export,
    Theme,
}

/// A command with an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    pub verb: Verb,
    pub name: &'static str,
    /// What stands for the argument.
    pub argument: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// What the argument may be.
    pub hint: &'static str,
}

/// All of them, in the order in which they are listed.
pub const FORMS: [Form; 8] = [
    Form {
        verb: Verb::Run,
        name: "run",
        argument: "TARGET",
        help: "Run a class, a layer, a channel or a neuron.",
        hint: "CLASS, not:CLASS, LAYER, LAYER:CHANNEL or LAYER:CHANNEL:Y,X",
    },
    Form {
        verb: Verb::Set,
        name: "set",
        argument: "KEY=VALUE",
        help: "Change a setting of the next runs, or several.",
        hint: "KEY=VALUE, for example steps=80",
    },
    Form {
        verb: Verb::Seed,
        name: "seed",
        argument: "N",
        help: "Set the seed of the next runs.",
        hint: "a whole number from 0",
    },
    Form {
        verb: Verb::Preset,
        name: "preset",
        argument: "NAME",
        help: "Apply a preset.",
        hint: "the name of a preset",
    },
    Form {
        verb: Verb::Sweep,
        name: "sweep",
        argument: "KEY=VALUE,VALUE",
        help: "Queue a grid of runs over one or two settings.",
        hint: "KEY=VALUE,VALUE,… or KEY=FROM..TO/COUNT; e.g. tilt=1..1.3/4",
    },
    Form {
        verb: Verb::Open,
        name: "open",
        argument: "MODEL",
        help: "Open another model.",
        hint: "a path, or the name of a built-in model",
    },
    Form {
        verb: Verb::Export,
        name: "export",
        argument: "PATH",
        help: "Export the marked, selected or shown runs.",
        hint: "a path; format by extension: .png .gif .apng .html",
    },
    Form {
        verb: Verb::Theme,
        name: "theme",
        argument: "NAME",
        help: "Change the theme.",
        hint: "the name of a theme",
    },
];

/// A line that could be typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    pub line: String,
    pub help: String,
}

/// The form and the argument of a line; `None` if it has not come to an argument.
pub fn split(line: &str) -> Option<(&'static Form, &str)> {
    let (name, argument) = line.trim_start().split_once(' ')?;
    let form = FORMS.iter().find(|form| form.name == name)?;
    Some((form, argument.trim_start()))
}

/// What could complete the argument of a form.
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
                app.plan.seed.wrapping_add(1).to_string(),
                format!("next seed; now {}", app.plan.seed),
            )],
            _ => Vec::new(),
        },
        Verb::Preset => presets(&app.plan, argument),
        Verb::Theme => {
            let names: Vec<&str> = app.environment.themes.names().collect();
            let help = |name: &str| match name == app.theme_name {
                true => "now".to_string(),
                false => String::new(),
            };
            matching(argument, &names, help)
        }
        Verb::Open | Verb::Export => Vec::new(),
    };
    let line = |(word, help)| Completion {
        line: format!("{} {word}", form.name),
        help,
    };
    found.into_iter().take(MOST).map(line).collect()
}

/// The argument that a typed one stands for: where only listed names are valid, the best match unless it is one of them.
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

/// Names that match, with a word on each.
fn matching(text: &str, names: &[&str], help: impl Fn(&str) -> String) -> Vec<(String, String)> {
    let found = fuzzy::matches(text, names.iter().copied()).into_iter();
    found
        .map(|index| (names[index].to_string(), help(names[index])))
        .collect()
}

fn presets(plan: &Plan, text: &str) -> Vec<(String, String)> {
    let names = plan.presets();
    matching(text, &names, |name| {
        let built_in = PRESETS.iter().find(|preset| preset.name == name);
        built_in.map_or("your own", |preset| preset.help).into()
    })
}

/// Classes, then layers; what stands before them in `text` stays.
fn targets(opened: &Opened, text: &str) -> Vec<(String, String)> {
    let prefixes = ["class:", "not:", "layer:"];
    let prefix = prefixes.into_iter().find(|prefix| text.starts_with(prefix));
    let prefix = prefix.unwrap_or_default();
    let wanted = &text[prefix.len()..];
    let mut found = Vec::new();
    if prefix != "layer:" && opened.logits.is_some() {
        let number = if prefix.is_empty() { "class:#" } else { "#" };
        found.extend(classes(opened, wanted, number));
    }
    if !matches!(prefix, "class:" | "not:") {
        let names: Vec<&str> = opened
            .layers
            .iter()
            .map(|layer| layer.name.as_str())
            .collect();
        let layers = fuzzy::matches(wanted, names.iter().copied()).into_iter();
        found.extend(layers.take(MOST).map(|index| {
            let layer = &opened.layers[index];
            let help = format!("layer of {} channels", layer.channels());
            (layer.name.clone(), help)
        }));
    }
    let whole = |(word, help): (String, String)| (format!("{prefix}{word}"), help);
    found.into_iter().map(whole).collect()
}

/// Classes that match; one that shares its name goes by its index, after `number`.
fn classes(opened: &Opened, text: &str, number: &str) -> Vec<(String, String)> {
    let classes = &opened.classes;
    let names = (0..classes.len()).map(|index| classes.name(index).unwrap_or_default());
    let mut found = fuzzy::matches(text, names);
    // A number is that of a class, whatever it is called.
    if let Ok(index) = text.parse::<usize>()
        && index < classes.len()
    {
        found.retain(|other| *other != index);
        found.insert(0, index);
    }
    let word = |index: usize| {
        let name = classes.name(index).unwrap_or_default();
        match classes.find(name) {
            Ok(same) if same == index && opened.parts().read(name).is_ok() => {
                (name.to_string(), format!("class {index}"))
            }
            _ => (format!("{number}{index}"), name.to_string()),
        }
    };
    found.into_iter().take(MOST).map(word).collect()
}

/// Settings by name, and what the one before `=` may be; for a grid, nothing is known of its values.
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
            let now = app.plan.settings.get(knob.key);
            let now = words::value(&now.unwrap_or_else(|| knob.default()));
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
    let whole = |(value, help)| (format!("{}={value}", knob.key), help);
    found.into_iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_once_it_has_come_to_an_argument() {
        assert_eq!(split("run"), None);
        assert_eq!(split("runs x"), None);
        let (form, argument) = split(" run  tiger shark ").unwrap();
        assert_eq!((form.verb, argument), (Verb::Run, "tiger shark "));
        assert_eq!(split("set ").unwrap().1, "");
    }

    #[test]
    fn every_form_explains_itself_in_a_line() {
        for form in FORMS {
            assert!(form.help.ends_with('.') && form.help.len() < 60);
            assert!(form.hint.chars().count() <= 72, "{}", form.name);
        }
    }
}
