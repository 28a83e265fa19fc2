//! `ziggurat history verify`: checks every run and reports damaged ones with the remedy.

use super::{Failure, output};
use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;
use ziggurat::home::Home;
use ziggurat::runs::history::{self, Verified};

#[derive(clap::Args)]
pub struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Findings {
    whole: usize,
    damaged: Vec<Damaged>,
    unfinished: usize,
    cleaned: usize,
    removed: usize,
    foreign: Vec<String>,
}

#[derive(Serialize)]
struct Damaged {
    id: String,
    why: String,
}

/// Maximum number of unknown names that are printed.
const FOREIGN: usize = 10;

pub fn run(home: &Home, arguments: Arguments) -> Result<(), Failure> {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let progress = |done: usize, all: usize| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let verified = history::verify(home, &progress);
    bar.finish_and_clear();
    let verified = verified?;
    let (damaged, all) = (
        verified.damaged.len(),
        verified.intact + verified.damaged.len(),
    );
    match arguments.json {
        true => output::json(&findings(verified))?,
        false => print(&verified)?,
    }
    match damaged {
        0 => Ok(()),
        _ => Err(anyhow!(
            "{damaged} of {} damaged; remove one with `ziggurat history remove ID`, then run it again",
            super::runs(all)
        )
        .into()),
    }
}

fn findings(verified: Verified) -> Findings {
    let damaged = verified.damaged.into_iter();
    Findings {
        whole: verified.intact,
        damaged: damaged.map(|(id, why)| Damaged { id, why }).collect(),
        unfinished: verified.unfinished,
        cleaned: verified.cleaned,
        removed: verified.removed,
        foreign: verified.unknown,
    }
}

fn print(verified: &Verified) -> std::io::Result<()> {
    for (id, why) in &verified.damaged {
        output::line(&format!("{id}  {why}"))?;
    }
    for name in verified.unknown.iter().take(FOREIGN) {
        output::line(&format!("not a file of Ziggurat, ignored: {name}"))?;
    }
    let lines = [
        (
            verified.unknown.len().saturating_sub(FOREIGN),
            "more files are not of Ziggurat and are ignored",
        ),
        (
            verified.cleaned,
            "left over from interrupted writes, cleaned up",
        ),
        (
            verified.unfinished,
            "being written, or interrupted within the last hour",
        ),
        (
            verified.removed,
            "removed; `ziggurat history remove --undo` restores the last, `--purge` frees the space",
        ),
    ];
    for (count, what) in lines.into_iter().filter(|(count, _)| *count > 0) {
        output::line(&format!("{count} {what}"))?;
    }
    let checked = verified.intact + verified.damaged.len();
    let intact = match verified.damaged.len() {
        0 => "all intact".to_string(),
        _ => format!("{} intact", verified.intact),
    };
    output::line(&format!("{} checked, {intact}", super::runs(checked)))
}
