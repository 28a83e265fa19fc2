//! Which models judge the pictures of a run: those of the command line, or those of config.toml.

use crate::cli::opening::{self, Fetching};
use crate::cli::{Failure, output};
use anyhow::anyhow;
use ziggurat::config::Config;
use ziggurat::home::Home;
use ziggurat::model::Source;
use ziggurat::runs::judging::Judges;

/// What switches off the judges of config.toml.
const NONE: &str = "none";

/// The names of the judges that are asked for.
///
/// # Errors
/// If the command line names a model that does not exist. One of config.toml is only remarked upon.
pub fn asked(home: &Home, given: &[String]) -> Result<Vec<String>, Failure> {
    if given.is_empty() {
        return Ok(configured(home));
    }
    if given.iter().any(|name| name == NONE) {
        return match given.len() {
            1 => Ok(Vec::new()),
            _ => Err(Failure::usage(anyhow!(
                "--judge {NONE} switches the judges off: give no other --judge with it"
            ))),
        };
    }
    for name in given {
        Source::resolve(home, Some(name))
            .map_err(|problem| opening::unresolved(problem).about("--judge"))?;
    }
    Ok(given.to_vec())
}

fn configured(home: &Home) -> Vec<String> {
    let (config, problems) = Config::load(home);
    // What else may be wrong in the file is the explorer's to say; what has no key may have hidden the judges.
    let ours = problems
        .iter()
        .filter(|problem| problem.key == "judge" || problem.line.is_none());
    for problem in ours {
        output::remark(&problem.to_string());
    }
    let is_known = |name: &String| match Source::resolve(home, Some(name)) {
        Ok(_) => true,
        Err(problem) => {
            output::remark(&config.problem("judge", problem.to_string()).to_string());
            false
        }
    };
    let mut judges = config.judge.clone();
    judges.retain(is_known);
    judges
}

/// The judges, fetched if they have to be. One that cannot be fetched is remarked upon and left out.
pub fn fetched(home: &Home, names: Vec<String>) -> Judges {
    let fetch = |name: &String| {
        let source = Source::resolve(home, Some(name))?;
        let fetching = Fetching::new();
        source.open(home, &|stage| fetching.show(stage))
    };
    let is_here = |name: &String| match fetch(name) {
        Ok(_) => true,
        Err(problem) => {
            output::remark(&format!("{name} cannot judge: {problem}"));
            false
        }
    };
    Judges::new(names.into_iter().filter(is_here))
}
