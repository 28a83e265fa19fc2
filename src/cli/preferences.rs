//! The user's preferences: an option of the command line, otherwise `config.toml`, otherwise the default.

use super::graphics::{Graphics, Screen};
use super::{Failure, output};
use anyhow::anyhow;
use ziggurat::ascent::Settings;
use ziggurat::config::{Config, Problem};
use ziggurat::home::Home;
use ziggurat::model::ModelSource;
use ziggurat::runs::presets::Presets;
use ziggurat::runtime::device::PROVIDER_LISTS;
use ziggurat::runtime::{Error, Provider, ProviderList};
use ziggurat::terminal::{self, Blocks, Terminal};

/// The settings of `config.toml`, to be overridden by options.
pub struct Preferences {
    pub config: Config,
}

impl Preferences {
    /// Reads `config.toml`; also returns its problems.
    pub fn read(home: &Home) -> (Self, Vec<Problem>) {
        let (config, problems) = Config::load(home);
        (Self { config }, problems)
    }

    /// Reads `config.toml` for a command that uses `keys`. Problems of these keys and of their tables are printed, and
    /// those that may hide any key. The explorer reports the others.
    pub fn load(home: &Home, keys: &[&str]) -> Self {
        let (preferences, problems) = Self::read(home);
        let is_used = |problem: &&Problem| {
            let concerns =
                |key: &&str| is_within(&problem.key, key) || is_within(key, &problem.key);
            problem.may_hide_keys() || keys.iter().any(concerns)
        };
        for problem in problems.iter().filter(is_used) {
            output::notice(&problem.to_string());
        }
        preferences
    }

    /// The name or path of the model; `None` is the default model.
    ///
    /// # Errors
    /// If `config.toml` names a model that does not exist. An option is not checked.
    pub fn model<'a>(
        &'a self,
        home: &Home,
        option: Option<&'a str>,
    ) -> Result<Option<&'a str>, Failure> {
        if option.is_some() {
            return Ok(option);
        }
        let model = self.config.model.as_deref();
        if let Some(model) = model {
            ModelSource::resolve(home, Some(model))
                .map_err(|problem| self.problem("model", &problem))?;
        }
        Ok(model)
    }

    /// The execution provider of a command that uses one device: the first of a list in `config.toml`.
    ///
    /// # Errors
    /// If there is no provider of this name, or the option names several.
    pub fn provider(&self, option: Option<&str>) -> Result<Provider, Failure> {
        match option {
            Some(option) => one_provider(option),
            None => Ok(self.providers(None)?.first()),
        }
    }

    /// The execution providers of a command that shares runs out among devices.
    ///
    /// # Errors
    /// If there is no provider of this name.
    pub fn providers(&self, option: Option<&str>) -> Result<ProviderList, Failure> {
        let list = |name: &str| {
            name.parse::<ProviderList>()
                .map_err(|problem| match problem {
                    unknown @ Error::UnknownProvider(_) => anyhow!("{unknown}; {PROVIDER_LISTS}"),
                    other => other.into(),
                })
        };
        match (option, &self.config.provider) {
            (Some(option), _) => list(option).map_err(Failure::usage),
            (None, Some(name)) => list(name).map_err(|problem| self.problem("provider", &problem)),
            (None, None) => Ok(ProviderList::default()),
        }
    }

    /// How pictures are drawn.
    ///
    /// # Errors
    /// If there is no protocol of this name.
    pub fn graphics(&self, option: Option<Graphics>) -> Result<Graphics, Failure> {
        match (option, &self.config.graphics) {
            (Some(option), _) => Ok(option),
            (None, Some(name)) => {
                let parsed = name.parse::<Graphics>();
                parsed.map_err(|problem| self.problem("graphics", &problem))
            }
            (None, None) => Ok(Graphics::Auto),
        }
    }

    /// The settings of a preset, built-in or of `config.toml`.
    ///
    /// # Errors
    /// If there is none of this name, or that of `config.toml` is invalid.
    pub fn preset(&self, name: &str) -> Result<Settings, Failure> {
        let mut presets = Presets::default();
        let problems = presets.add(self.config.presets.clone());
        let mut problems = problems.into_iter();
        if let Some(invalid) = problems.find(|invalid| invalid.name == name) {
            return Err(self.problem(&invalid.place(), &invalid.problem));
        }
        presets.settings(name).map_err(Failure::usage)
    }

    /// The terminal that finished pictures are printed on; `None` if they are not wanted or output goes elsewhere.
    pub fn screen(&self, graphics: Graphics) -> Option<Screen> {
        let mut screen = graphics.screen()?;
        for problem in self.use_blocks(&mut screen.terminal) {
            output::notice(&problem);
        }
        Some(screen)
    }

    /// Lets a terminal draw blocks with the characters that `config.toml` or the environment name; returns what is
    /// wrong with them.
    pub fn use_blocks(&self, terminal: &mut Terminal) -> Vec<String> {
        let mut problems = Vec::new();
        let configured = self.config.blocks.as_deref();
        let configured = configured.map_or(Ok(None), Blocks::asked);
        let configured = configured.map_err(|problem| problem.to_string());
        if let Err(problem) = configured.and_then(|blocks| terminal.use_blocks(blocks)) {
            problems.push(self.config.problem("blocks", problem).to_string());
        }
        let blocks = terminal::blocks_of_environment();
        problems.extend(blocks.and_then(|blocks| terminal.use_blocks(blocks)).err());
        problems
    }

    /// An error in the value of a key.
    fn problem(&self, key: &str, why: &impl ToString) -> Failure {
        Failure::usage(anyhow!("{}", self.config.problem(key, why.to_string())))
    }
}

/// The value of `--provider` of a command that uses one device.
///
/// # Errors
/// If there is no provider of this name, or it names several.
pub fn one_provider(option: &str) -> Result<Provider, Failure> {
    let unknown = match option.parse() {
        Ok(provider) => return Ok(provider),
        Err(unknown) => unknown,
    };
    Err(Failure::usage(match option.parse::<ProviderList>() {
        Ok(list) => anyhow!("--provider {list}: this command uses one device; name one"),
        Err(Error::UnknownProvider(_)) => unknown.into(),
        Err(problem) => problem.into(),
    }))
}

/// Whether `key` is `outer` or a key of its table.
fn is_within(key: &str, outer: &str) -> bool {
    let rest = key.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
