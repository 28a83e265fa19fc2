//! `ziggurat [MODEL]`: the explorer.

use super::graphics::Graphics;
use super::ports::Ports;
use super::{Failure, guide, log, opening};
use anyhow::anyhow;
use clap::builder::NonEmptyStringValueParser;
use std::io::{IsTerminal, Write};
use ziggurat::config::Config;
use ziggurat::home::Home;
use ziggurat::model::Source;
use ziggurat::model::open::DEFAULT;
use ziggurat::runs::worker::Told;
use ziggurat::runtime::Provider;
use ziggurat::runtime::device::PROVIDERS;
use ziggurat::terminal::{self, Blocks};
use ziggurat::tui::messages::Level;
use ziggurat::tui::saved::{self, Saved};
use ziggurat::tui::session::{self, Start};
use ziggurat::tui::theme::Themes;
use ziggurat::tui::{App, Environment, keys::Keymap};

#[derive(clap::Args)]
#[group(skip)]
pub struct Arguments {
    /// Path or name of the model to explore
    #[arg(value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    model: Option<String>,
    #[arg(long, help = format!("Execution provider: {PROVIDERS}"))]
    provider: Option<String>,
    /// Protocol for pictures: auto, kitty, sixel, iterm2, blocks
    #[arg(long)]
    graphics: Option<String>,
    /// Colour theme
    #[arg(long)]
    theme: Option<String>,
    #[command(flatten)]
    ports: Ports,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !is_terminal && std::env::args_os().nth(1).is_none() {
        return guide::run();
    }
    let ports = arguments.ports.read()?;
    let home = opening::home()?;
    let (config, problems) = Config::load(&home);
    let mut said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let (themes, problems) = Themes::load(&home);
    said.extend(problems.iter().map(ToString::to_string));
    let (keymap, problems) = Keymap::new(&config.keys);
    let in_config = |key: &str, why: String| config.problem(key, why).to_string();
    said.extend(
        problems
            .into_iter()
            .map(|(key, why)| in_config(&format!("keys.{key}"), why)),
    );

    let provider = arguments.provider.or(config.provider.clone());
    let provider: Provider = provider
        .as_deref()
        .unwrap_or("auto")
        .parse()
        .map_err(Failure::usage)?;
    let graphics: Graphics = arguments
        .graphics
        .or(config.graphics.clone())
        .as_deref()
        .unwrap_or("auto")
        .parse()
        .map_err(|problem: String| Failure::usage(anyhow!(problem)))?;
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
    log::start(&home);
    let mut terminal = terminal::probe(graphics.protocol());
    let in_file = config.blocks.as_deref().map_or(Ok(None), Blocks::asked);
    let in_file = in_file.map_err(|problem| problem.to_string());
    if let Err(problem) = in_file.and_then(|blocks| terminal.use_blocks(blocks)) {
        said.push(in_config("blocks", problem));
    }
    let in_environment = terminal::blocks_of_environment();
    said.extend(
        in_environment
            .and_then(|blocks| terminal.use_blocks(blocks))
            .err(),
    );
    let theme = match arguments.theme.or(config.theme.clone()) {
        Some(name) if themes.get(&name).is_some() => name,
        other => {
            said.extend(other.map(|name| in_config("theme", format!("unknown theme `{name}`"))));
            let light = terminal.light == Some(true);
            if light { "light" } else { "dark" }.into()
        }
    };
    let notify = config.notify.as_deref().map(str::parse::<terminal::Notify>);
    let notify = notify.transpose().unwrap_or_else(|why| {
        said.push(in_config("notify", why));
        None
    });
    let (saved, problem) = saved::file::load(&home);
    said.extend(problem);
    let model = arguments.model.or(config.model.clone());
    let model = model.or_else(|| last(&home, &saved, &mut said));
    let environment = Environment {
        favourites: config
            .favourites
            .clone()
            .unwrap_or_else(|| home.favourites()),
        history: home.history(),
        folder: std::env::current_dir().unwrap_or_else(|_| "/".into()),
        terminal,
        themes,
    };
    let name = model.clone().unwrap_or_else(|| DEFAULT.into());
    let mut app = App::new(environment, keymap, &theme, name.clone());
    let problems = app.plan.add_presets(config.presets.clone());
    said.extend(
        problems
            .into_iter()
            .map(|(name, why)| in_config(&format!("presets.{name}"), why)),
    );
    app.saved = saved;
    for text in said {
        app.messages.say(Level::Warning, text, app.now);
    }
    let start = Start {
        home,
        provider,
        told: Told { model: name, ports },
        judges: config.judge,
        mouse: config.mouse,
        notify: notify.unwrap_or_default(),
    };
    session::run(app, start)?;
    std::io::stdout().flush()?;
    // A model may still be being opened by a thread that nobody waits for. Ending as usual would run ONNX Runtime's
    // destructors beneath it.
    signal_hook::low_level::exit(0)
}

/// Whether the model that was named exists. A name that is neither a model nor a command is a mistake on the command line.
/// On a terminal, the explorer itself shows what is wrong with a file, and offers other models.
fn check_model(home: &Home, model: &str, is_terminal: bool) -> Result<(), Failure> {
    match Source::resolve(home, Some(model)) {
        Ok(_) => Ok(()),
        Err(problem) => match super::unknown_word(home, model) {
            Some(told) => Err(Failure::usage(anyhow!(told))),
            None if is_terminal => Ok(()),
            None => Err(problem.into()),
        },
    }
}

/// The model that was used last, if it is still there.
fn last(home: &Home, saved: &Saved, said: &mut Vec<String>) -> Option<String> {
    let name = saved.last()?.name.clone()?;
    match Source::resolve(home, Some(&name)) {
        Ok(_) => Some(name),
        Err(problem) => {
            said.push(format!(
                "{DEFAULT} is opened: the model of last time cannot be ({problem})"
            ));
            None
        }
    }
}
