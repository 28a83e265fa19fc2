//! `ziggurat [MODEL]`: the explorer.

use super::graphics::Graphics;
use super::model_options::ModelOptions;
use super::preferences::Preferences;
use super::{Failure, log, output, startup, welcome};
use anyhow::anyhow;
use clap::builder::NonEmptyStringValueParser;
use std::io::{IsTerminal, Write};
use ziggurat::home::Home;
use ziggurat::model::ModelSource;
use ziggurat::model::open::DEFAULT_MODEL;
use ziggurat::runs::worker::OpenOptions;
use ziggurat::runtime::device::{PROVIDER_LISTS, PROVIDERS};
use ziggurat::runtime::{Provider, ProviderList};
use ziggurat::terminal;
use ziggurat::tui::event_loop;
use ziggurat::tui::messages::Level;
use ziggurat::tui::saved::{self, SavedState};
use ziggurat::tui::theme::Themes;
use ziggurat::tui::{App, Environment, keys::Keymap};
use ziggurat::variables;

#[derive(clap::Args)]
#[group(skip)]
pub struct Arguments {
    /// Path or name of the model to explore
    #[arg(value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    model: Option<String>,
    #[arg(long, value_name = "PROVIDERS", help = format!("Execution provider: {PROVIDERS}; {PROVIDER_LISTS} [default: that of config.toml, or auto]"))]
    provider: Option<String>,
    /// Protocol for pictures: auto, kitty, sixel, iterm2, blocks [default: that of config.toml, or auto]
    #[arg(long)]
    graphics: Option<String>,
    /// Colour theme
    #[arg(long)]
    theme: Option<String>,
    #[command(flatten)]
    model_options: ModelOptions,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !is_terminal && std::env::args_os().nth(1).is_none() {
        return welcome::run();
    }
    let ports = arguments.model_options.read()?;
    let home = startup::home()?;
    let (preferences, problems) = Preferences::read(&home);
    let config = &preferences.config;
    let mut warnings: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let (themes, problems) = Themes::load(&home);
    warnings.extend(problems.iter().map(ToString::to_string));
    let (keymap, problems) = Keymap::new(&config.keys);
    let in_config = |key: &str, why: String| config.problem(key, why).to_string();
    warnings.extend(
        problems
            .into_iter()
            .map(|(key, why)| in_config(&format!("keys.{key}"), why)),
    );

    let providers = preferences.providers(arguments.provider.as_deref())?;
    let graphics = arguments.graphics.map(|name| name.parse::<Graphics>());
    let graphics = graphics.transpose();
    let graphics = graphics.map_err(|problem| Failure::usage(anyhow!(problem)))?;
    let graphics = preferences.graphics(graphics)?;
    if let Some(name) = arguments
        .theme
        .as_deref()
        .filter(|name| themes.get(name).is_none())
    {
        let known: Vec<&str> = themes.names().collect();
        return Err(Failure::usage(anyhow!(
            "unknown theme `{name}`; available: {}",
            known.join(", ")
        )));
    }
    if let Some(model) = &arguments.model {
        check_model(&home, model, is_terminal)?;
    }
    if !is_terminal {
        return Err(anyhow!(
            "the explorer needs a terminal: stdin or stdout is not one; see --help for the commands"
        )
        .into());
    }
    let providers = working(&home, &providers)?;
    warnings.extend(log::start(&home));
    warnings.extend((variables::SWITCHES.iter()).filter_map(|name| variables::switch(name).err()));
    let mut terminal = terminal::probe(graphics.protocol());
    warnings.extend(preferences.use_blocks(&mut terminal));
    let theme = match arguments.theme.or(config.theme.clone()) {
        Some(name) if themes.get(&name).is_some() => name,
        other => {
            warnings
                .extend(other.map(|name| in_config("theme", format!("unknown theme `{name}`"))));
            let light = terminal.light == Some(true);
            if light { "light" } else { "dark" }.into()
        }
    };
    let notify = config.notify.as_deref().map(str::parse::<terminal::Notify>);
    let notify = notify.transpose().unwrap_or_else(|why| {
        warnings.push(in_config("notify", why));
        None
    });
    let (saved, problem) = saved::file::load(&home);
    warnings.extend(problem);
    let model = arguments.model.or(config.model.clone());
    let model = model.or_else(|| last(&home, &saved, &mut warnings));
    let environment = Environment {
        favourites: config
            .favourites
            .clone()
            .unwrap_or_else(|| home.favourites()),
        history: home.history(),
        folder: std::env::current_dir().unwrap_or_else(|_| "/".into()),
        user_folder: ziggurat::home::user_folder(),
        terminal,
        themes,
    };
    let name = model.clone().unwrap_or_else(|| DEFAULT_MODEL.into());
    let mut app = App::new(environment, keymap, &theme, name.clone());
    let problems = app.next_run.add_presets(config.presets.clone());
    warnings.extend(
        problems
            .into_iter()
            .map(|invalid| in_config(&invalid.place(), invalid.problem.to_string())),
    );
    app.saved = saved;
    for text in warnings {
        app.messages.say(Level::Warning, text, app.now);
    }
    let start = event_loop::ExplorerOptions {
        home,
        providers,
        model: OpenOptions { model: name, ports },
        judges: config.judge.clone(),
        mouse: config.mouse,
        notify: notify.unwrap_or_default(),
    };
    event_loop::run(app, start)?;
    std::io::stdout().flush()?;
    ziggurat::files::remove_unfinished();
    // A thread may still be opening a model.
    output::end(0)
}

/// Whether the model that was named exists. A name that is neither a model nor a command is a mistake on the command
/// line. On a terminal, the explorer itself shows what is wrong with a file, and offers other models.
fn check_model(home: &Home, model: &str, is_terminal: bool) -> Result<(), Failure> {
    match ModelSource::resolve(home, Some(model)) {
        Ok(_) => Ok(()),
        Err(problem) => match super::unknown_word(home, model) {
            Some(problem) => Err(Failure::usage(anyhow!(problem))),
            None if is_terminal => Ok(()),
            None => Err(problem.into()),
        },
    }
}

/// The provider of each worker. As in `run`, a device that the user named must work; this is found out before the
/// terminal is entered. What needs no trial is left to the workers.
fn working(home: &Home, wanted: &ProviderList) -> Result<Vec<Provider>, Failure> {
    let providers = wanted.providers()?;
    let is_sure = |provider: &Provider| matches!(provider, Provider::Auto | Provider::Cpu);
    if providers.iter().all(is_sure) {
        return Ok(providers);
    }
    startup::library(home)?;
    let working = startup::providers(wanted)?.into_iter();
    Ok(working.map(|found| found.device.into()).collect())
}

/// The model that was used last, if it is still there.
fn last(home: &Home, saved: &SavedState, warnings: &mut Vec<String>) -> Option<String> {
    let name = saved.last()?.name.clone()?;
    match ModelSource::resolve(home, Some(&name)) {
        Ok(_) => Some(name),
        Err(problem) => {
            warnings.push(format!(
                "{DEFAULT_MODEL} is opened: the model of last time cannot be ({problem})"
            ));
            None
        }
    }
}
