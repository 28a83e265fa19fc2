//! The palette's commands with an argument.

use super::{availability, exports, models, notes, photos, settings, submission};
use crate::ascent::settings::knob;
use crate::model::picture;
use crate::runs::target::TargetScope;
use crate::tui::action::Effect;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::forms::{Form, Verb};
use crate::tui::messages::Level;
use std::path::Path;
use std::sync::Arc;

/// Performs a form with an argument.
///
/// # Errors
/// One line: what is wrong with the argument, or why it is not possible now.
pub fn give(
    app: &mut App,
    form: &Form,
    argument: &str,
    effects: &mut Vec<Effect>,
) -> Result<(), String> {
    if argument.is_empty() {
        return Err(format!("{} {}: {}", form.name, form.argument, form.hint));
    }
    match form.verb {
        Verb::Run => run(app, argument, effects),
        Verb::Set => set(app, argument),
        Verb::Seed => {
            let seed = argument.parse();
            let seed = seed.map_err(|_| format!("{argument:?} is not a seed: {}", form.hint))?;
            settings::set_seed(app, seed);
            Ok(())
        }
        Verb::Preset => settings::take_preset(app, argument),
        Verb::Theme => settings::take_theme(app, argument, effects),
        Verb::Sweep => match availability::refusal(app, Command::Sweep) {
            Some(why) => Err(why),
            None => submission::sweep(app, argument, effects),
        },
        Verb::Open if picture::is_named(Path::new(argument)) => {
            photos::typed(app, argument, effects)
        }
        Verb::Open => {
            let model = app.environment.typed_path(argument).display().to_string();
            models::open(app, model, effects)
        }
        Verb::Export => {
            let ids = exports::selected_runs(app);
            if ids.is_empty() {
                return Err("no finished run is selected or shown".into());
            }
            exports::to_file(app, &ids, argument, effects)
        }
    }
}

fn run(app: &mut App, text: &str, effects: &mut Vec<Effect>) -> Result<(), String> {
    let opened = app.model.opened().map(Arc::clone);
    let opened = opened.ok_or(notes::NO_MODEL)?;
    let parts = TargetScope {
        layers: &opened.values,
        ..opened.scope()
    };
    let target = parts.read(text).map_err(|problem| problem.to_string())?;
    if let Some(remark) = &target.remark {
        app.messages.say(Level::Note, remark, app.now);
    }
    submission::submit_targets(app, vec![Ok(target)], effects);
    Ok(())
}

/// Changes one setting, or several if every word is one; all of them or none.
fn set(app: &mut App, text: &str) -> Result<(), String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = if words.iter().all(|word| word.contains('=')) {
        words
    } else {
        // A layer's name may contain spaces.
        vec![text]
    };
    let before = app.next_run.settings.clone();
    let mut changed = Vec::new();
    for word in words {
        let result = word
            .split_once('=')
            .ok_or_else(|| format!("{word}: write KEY=VALUE"))
            .and_then(|(key, value)| assign(app, key.trim(), value.trim()));
        match result {
            Ok(text) => changed.push(text),
            Err(problem) => {
                app.next_run.settings = before;
                return Err(problem);
            }
        }
    }
    app.messages.say(Level::Note, changed.join(", "), app.now);
    Ok(())
}

fn assign(app: &mut App, key: &str, value: &str) -> Result<String, String> {
    match knob(key) {
        Some(knob) => settings::set(app, knob, value)?,
        // The error suggests similar names.
        None => {
            let set = app.next_run.settings.set_text(key, value);
            set.map_err(|problem| problem.to_string())?;
        }
    }
    let now = app.next_run.settings.get(key);
    let now = now.map_or_else(String::new, |value| value.to_string());
    Ok(format!("{key} = {now}"))
}
