//! The models that judge pictures: those of the command line, or those of config.toml.

use crate::cli::preferences::Preferences;
use crate::cli::startup::{self, Fetching};
use crate::cli::{Failure, output};
use anyhow::anyhow;
use ziggurat::config::Config;
use ziggurat::home::Home;
use ziggurat::model::ModelSource;
use ziggurat::runs::judging::Judges;

/// The name that switches off the judges of config.toml.
const NONE: &str = "none";

/// The judges that are asked for.
#[derive(Default)]
pub struct RequestedJudges<'a> {
    names: Vec<String>,
    origin: JudgeSource<'a>,
}

/// Who names the judges: config.toml, or else an option.
#[derive(Default)]
pub struct JudgeSource<'a>(Option<&'a Config>);

impl JudgeSource<'_> {
    /// Prints an error of a judge, with the line of config.toml that names it.
    pub fn notice(&self, why: String) {
        output::notice(&match &self.0 {
            Some(config) => config.problem("judge", why).to_string(),
            None => why,
        });
    }
}

/// The judges that are asked for.
///
/// # Errors
/// If the command line names a model that does not exist. For one of config.toml, a notice is printed.
pub fn asked<'a>(
    home: &Home,
    preferences: &'a Preferences,
    given: &[String],
) -> Result<RequestedJudges<'a>, Failure> {
    if given.is_empty() {
        return Ok(configured(home, &preferences.config));
    }
    if given.iter().any(|name| name == NONE) {
        return match given.len() {
            1 => Ok(RequestedJudges::default()),
            _ => Err(Failure::usage(anyhow!(
                "--judge {NONE} switches the judges off: give no other --judge with it"
            ))),
        };
    }
    for name in given {
        ModelSource::resolve(home, Some(name))
            .map_err(|problem| startup::unresolved(problem).about("--judge"))?;
    }
    Ok(RequestedJudges {
        names: given.to_vec(),
        origin: JudgeSource::default(),
    })
}

fn configured<'a>(home: &Home, config: &'a Config) -> RequestedJudges<'a> {
    let is_known = |name: &String| match ModelSource::resolve(home, Some(name)) {
        Ok(_) => true,
        Err(problem) => {
            output::notice(&config.problem("judge", problem.to_string()).to_string());
            false
        }
    };
    let mut names = config.judge.clone();
    names.retain(is_known);
    RequestedJudges {
        names,
        origin: JudgeSource(Some(config)),
    }
}

/// The judges, downloaded if necessary. One that cannot be downloaded is left out, with a notice.
pub fn fetched<'a>(home: &Home, asked: RequestedJudges<'a>) -> (Judges, JudgeSource<'a>) {
    let fetch = |name: &String| {
        let source = ModelSource::resolve(home, Some(name))?;
        let fetching = Fetching::new();
        source.open(home, &|stage| fetching.show(stage))
    };
    let is_here = |name: &String| match fetch(name) {
        Ok(_) => true,
        Err(problem) => {
            asked
                .origin
                .notice(format!("{name} cannot judge: {problem}"));
            false
        }
    };
    let judges = Judges::new(asked.names.iter().filter(|name| is_here(name)).cloned());
    (judges, asked.origin)
}
