//! `ziggurat history remove`: removes, restores or permanently deletes runs.

use super::{Failure, output};
use ziggurat::home::Home;
use ziggurat::runs::history;

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct Arguments {
    /// Run ids or their prefixes
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Restore the runs removed last
    #[arg(long)]
    undo: bool,
    /// Permanently delete removed runs to free their disk space
    #[arg(long)]
    purge: bool,
}

pub fn run(home: &Home, arguments: Arguments) -> Result<(), Failure> {
    let message = match (arguments.undo, arguments.purge) {
        (true, _) => {
            let back = history::undo(home)?;
            format!("{} restored: {}", super::runs(back.len()), back.join(", "))
        }
        (_, true) => {
            let count = history::purge_removed(home)?;
            format!("{} permanently deleted", super::runs(count))
        }
        _ => {
            let ids = arguments
                .ids
                .iter()
                .map(|prefix| super::resolve(home, prefix));
            let mut ids = ids.collect::<Result<Vec<String>, Failure>>()?;
            ids.sort();
            ids.dedup();
            history::remove(home, &ids)?;
            let count = super::runs(ids.len());
            format!("{count} removed; `ziggurat history remove --undo` restores")
        }
    };
    Ok(output::line(&message)?)
}
