//! Selection of runs: the filters shared by subcommands of `ziggurat history`.

use super::{Failure, output};
use ziggurat::home::Home;
use ziggurat::runs::history::query::{self, Filter, SortKey, SortOrder};
use ziggurat::runs::history::{self, HistoryEntry};

#[derive(clap::Args, Default)]
pub struct Selection {
    /// Part of the model's name, or a prefix of its hash
    #[arg(long)]
    model: Option<String>,
    /// Part of the target, model or id; without an exact match, a fuzzy search
    #[arg(long)]
    text: Option<String>,
    /// Kind of target: class, not, channel, neuron or layer
    #[arg(long)]
    kind: Option<String>,
    /// Favourites only
    #[arg(long)]
    favourites: bool,
    /// Minimum mean probability of the target by the judges, 0 to 1
    #[arg(long, value_name = "P", value_parser = probability)]
    judge_min: Option<f32>,
    /// Maximum mean probability of the target by the judges, 0 to 1
    #[arg(long, value_name = "P", value_parser = probability)]
    judge_max: Option<f32>,
    /// Sort by time (newest first), target, score, probability, judge or model [default: time]
    #[arg(long, value_name = "KEY")]
    sort: Option<SortKey>,
    /// Reverse the order
    #[arg(long)]
    reverse: bool,
}

fn probability(text: &str) -> Result<f32, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "a probability is a number from 0 to 1".into())
}

/// The runs that were selected, and of how many.
pub struct Selected {
    pub entries: Vec<HistoryEntry>,
    pub all: usize,
}

impl Selection {
    /// Whether any filter is set.
    pub fn filters(&self) -> bool {
        let texts = [&self.model, &self.text, &self.kind];
        let bounds = [self.judge_min, self.judge_max];
        self.favourites
            || texts.iter().any(|text| text.is_some())
            || bounds.iter().any(Option::is_some)
    }

    /// Whether an order is asked for.
    pub fn is_ordered(&self) -> bool {
        self.sort.is_some() || self.reverse
    }

    /// The matching runs, in order. Damaged ones are reported.
    pub fn apply(&self, home: &Home) -> Result<Selected, Failure> {
        let kind = self.kind.as_deref().map(query::kind).transpose();
        let filter = Filter {
            model: self.model.clone(),
            text: self.text.clone().unwrap_or_default(),
            kind: kind.map_err(Failure::usage)?,
            favourites: self.favourites,
            judge: [self.judge_min, self.judge_max],
        };
        let order = SortOrder {
            key: self.sort.unwrap_or_default(),
            reversed: self.reverse,
        };
        let mut all = Vec::new();
        let scanned = history::scan(home, &mut |chunk| all.extend(chunk))?;
        if scanned.damaged > 0 {
            output::notice(&format!(
                "{} cannot be read; see `ziggurat history verify`",
                super::runs(scanned.damaged)
            ));
        }
        let found = query::select(&all, &filter, order);
        Ok(Selected {
            entries: found.into_iter().map(|index| all[index].clone()).collect(),
            all: all.len(),
        })
    }
}
