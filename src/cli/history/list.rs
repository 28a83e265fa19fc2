//! `ziggurat history list`: one run per line.

use super::selection::Selection;
use super::{Failure, output};
use serde::Serialize;
use std::io::IsTerminal;
use std::path::PathBuf;
use unicode_width::UnicodeWidthStr;
use ziggurat::home::Home;
use ziggurat::runs::format;
use ziggurat::runs::history::{self, EndReason, HistoryEntry, query};
use ziggurat::runs::judging::Verdict;
use ziggurat::text::{age, fit};

#[derive(clap::Args)]
#[group(skip)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Maximum number of runs; 0 for all [default: 40 in a terminal, else all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON object per run
    #[arg(long)]
    json: bool,
}

/// Maximum number of runs shown in a terminal, so that the newest do not scroll away.
const SCREENFUL: usize = 40;

/// Digits of an id in the table: enough to name a run among millions.
const DIGITS: usize = 8;

/// Minimum useful width of a target and a model, in columns.
const NARROWEST: usize = 8;

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    model: &'a str,
    model_hash: &'a str,
    target: &'a str,
    kind: &'static str,
    seed: u64,
    score: f32,
    probability: Option<f32>,
    /// The mean probability that other models give to the target.
    judge: Option<f32>,
    verdicts: &'a [Verdict],
    steps: usize,
    seconds: f64,
    provider: &'a str,
    time: u64,
    ended: EndReason,
    favourite: bool,
    image: PathBuf,
}

pub fn run(home: &Home, arguments: Arguments) -> Result<(), Failure> {
    let selected = arguments.selection.apply(home)?;
    let on_terminal = std::io::stdout().is_terminal() && !arguments.json;
    let limit = match arguments.limit {
        Some(0) => usize::MAX,
        Some(limit) => limit,
        None if on_terminal => SCREENFUL,
        None => usize::MAX,
    };
    let shown = &selected.entries[..limit.min(selected.entries.len())];
    if arguments.json {
        return shown.iter().try_for_each(|entry| json(home, entry));
    }
    let width = if on_terminal {
        crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns))
    } else {
        usize::MAX
    };
    if !shown.is_empty() {
        for line in table(shown, format::unix_now(), width) {
            output::line(&line)?;
        }
    }
    notice(shown.len(), selected.entries.len(), selected.all);
    Ok(())
}

/// Reports what the list omits.
fn notice(shown: usize, passing: usize, all: usize) {
    match (shown, passing, all) {
        (_, _, 0) => output::notice("no runs yet; `ziggurat run flamingo` makes the first"),
        (_, 0, all) => output::notice(&format!("none of {} matches the filters", super::runs(all))),
        (shown, passing, _) if shown < passing => output::notice(&format!(
            "{shown} of {}; --limit 0 lists all",
            super::runs(passing)
        )),
        _ => {}
    }
}

/// The entry with the names as they are in the record. Those of an entry are escaped for terminals, which JSON does in
/// its own way. Only a record with such names is read.
fn with_plain_names(home: &Home, entry: &HistoryEntry) -> Result<HistoryEntry, Failure> {
    let mut entry = entry.clone();
    let names = [
        &entry.model,
        &entry.model_hash,
        &entry.target,
        &entry.provider,
    ];
    let judges = entry.verdicts.iter().map(|verdict| &verdict.model);
    let may_be_escaped = |name: &String| name.contains(['\\', '…']);
    if !names.into_iter().chain(judges).any(may_be_escaped) {
        return Ok(entry);
    }
    let mut record = history::read(home, &entry.id)?;
    history::Naming::new(home).apply_to_record(&mut record);
    record.verdicts.retain(Verdict::is_sound);
    entry.model = record.spec.model;
    entry.model_hash = record.spec.model_hash;
    entry.target = record.spec.target;
    entry.provider = record.provider;
    entry.verdicts = record.verdicts;
    Ok(entry)
}

fn json(home: &Home, entry: &HistoryEntry) -> Result<(), Failure> {
    let entry = &with_plain_names(home, entry)?;
    let line = Line {
        id: &entry.id,
        model: &entry.model,
        model_hash: &entry.model_hash,
        target: &entry.target,
        kind: query::kind_name(entry.kind()),
        seed: entry.seed,
        score: entry.score,
        probability: entry.probability,
        judge: entry.judged(),
        verdicts: &entry.verdicts,
        steps: entry.steps,
        seconds: entry.seconds,
        provider: &entry.provider,
        time: entry.time,
        ended: entry.ended,
        favourite: entry.favourite,
        image: history::image_path(home, &entry.id)?,
    };
    Ok(output::json(&line)?)
}

/// A column: its heading, the text of a run in it, and whether that is a number.
struct Column {
    heading: &'static str,
    text: fn(&HistoryEntry, u64) -> String,
    number: bool,
    /// Whether it is narrowed on a narrow line.
    flexible: bool,
    /// Whether it is omitted if it is empty for all runs.
    optional: bool,
}

const fn column(heading: &'static str, text: fn(&HistoryEntry, u64) -> String) -> Column {
    Column {
        heading,
        text,
        number: false,
        flexible: false,
        optional: false,
    }
}

const COLUMNS: [Column; 10] = [
    column("", |entry, _| favourite(entry).into()),
    column("ID", |entry, _| entry.id.chars().take(DIGITS).collect()),
    Column {
        flexible: true,
        ..column("TARGET", |entry, _| entry.target.clone())
    },
    Column {
        number: true,
        ..column("SCORE", |entry, _| format::score(entry.score))
    },
    Column {
        number: true,
        ..column("PROB.", |entry, _| {
            entry.probability.map(format::percent).unwrap_or_default()
        })
    },
    Column {
        number: true,
        optional: true,
        ..column("JUDGE", |entry, _| {
            entry.judged().map(format::percent).unwrap_or_default()
        })
    },
    Column {
        number: true,
        ..column("STEPS", |entry, _| steps(entry))
    },
    Column {
        number: true,
        ..column("SEED", |entry, _| entry.seed.to_string())
    },
    Column {
        flexible: true,
        ..column("MODEL", |entry, _| entry.model.clone())
    },
    Column {
        number: true,
        ..column("MADE", |entry, now| age(entry.time, now))
    },
];

fn favourite(entry: &HistoryEntry) -> &'static str {
    if entry.favourite { "★" } else { " " }
}

/// The steps taken; a plus marks a run that the user stopped early.
fn steps(entry: &HistoryEntry) -> String {
    let more = if entry.ended == EndReason::Stopped {
        "+"
    } else {
        ""
    };
    format!("{}{more}", entry.steps)
}

/// The lines of a table, headings first, at most `width` columns wide if possible.
fn table(entries: &[HistoryEntry], now: u64, width: usize) -> Vec<String> {
    let says_something = |column: &&Column| {
        let mut texts = entries.iter().map(|entry| (column.text)(entry, now));
        !column.optional || texts.any(|text| !text.is_empty())
    };
    let columns: Vec<&Column> = COLUMNS.iter().filter(says_something).collect();
    let headings = columns.iter().map(|column| column.heading.to_string());
    let mut rows: Vec<Vec<String>> = vec![headings.collect()];
    rows.extend(entries.iter().map(|entry| {
        let texts = columns.iter().map(|column| (column.text)(entry, now));
        texts.collect()
    }));
    let widest = |index: usize| rows.iter().map(|row| row[index].width()).max();
    let mut widths: Vec<usize> = (0..columns.len())
        .map(|index| widest(index).unwrap_or(0))
        .collect();
    narrow(&columns, &mut widths, width);
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&columns).zip(&widths);
        let cells = cells.map(|((text, column), width)| cell(text, *width, column.number));
        let line = cells.collect::<Vec<_>>().join("  ");
        line.trim_end().to_string()
    };
    rows.iter().map(line).collect()
}

/// Narrows the widest flexible column until the line fits, or all have their minimum width.
fn narrow(columns: &[&Column], widths: &mut [usize], width: usize) {
    let gaps = 2 * (columns.len() - 1);
    let total: usize = widths.iter().sum::<usize>() + gaps;
    for _ in 0..total.saturating_sub(width) {
        let flexible = widths.iter_mut().zip(columns);
        let flexible = flexible.filter(|(width, column)| column.flexible && **width > NARROWEST);
        let Some((widest, _)) = flexible.max_by_key(|(width, _)| **width) else {
            return;
        };
        *widest -= 1;
    }
}

/// `text` in exactly `width` columns: cut or padded, on the left for numbers, otherwise on the right.
fn cell(text: &str, width: usize, number: bool) -> String {
    let text = fit(text, width);
    let space = " ".repeat(width.saturating_sub(text.width()));
    if number { space + &text } else { text + &space }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ziggurat::ascent::{Kind, Objective, Unit};
    use ziggurat::runs::spec::Changes;

    fn entry(target: &str, model: &str) -> HistoryEntry {
        HistoryEntry {
            id: "0123456789abcdef".into(),
            model: model.into(),
            model_hash: "h".into(),
            target: target.into(),
            objective: Objective {
                kind: Kind::Class,
                value: "logits".into(),
            },
            unit: Unit::default(),
            seed: 1,
            method: 7,
            changes: Changes::default(),
            branched_from: None,
            score: 12.5,
            probability: Some(0.975),
            verdicts: Vec::new(),
            steps: 192,
            seconds: 1.0,
            provider: "cpu".into(),
            time: 0,
            ended: EndReason::Finished,
            favourite: true,
        }
    }

    #[test]
    fn columns_are_aligned_whatever_the_script() {
        let entries = [entry("flamingo", "lite0"), entry("火烈鳥", "lite0")];
        let lines = table(&entries, 0, usize::MAX);
        assert_eq!(
            lines[1],
            "★  01234567  flamingo  12.50  97.5 %    192     1  lite0  just now"
        );
        assert!(lines.iter().all(|line| line.width() == lines[1].width()));
    }

    #[test]
    fn verdicts_have_a_column_if_there_are_any() {
        let mut judged = entry("flamingo", "lite0");
        judged.verdicts = vec![Verdict {
            model: "lite1".into(),
            model_hash: "j".into(),
            class: "flamingo".into(),
            probability: 0.5,
            target_probability: Some(0.5),
        }];
        let entries = [judged, entry("goldfish", "lite0")];
        let lines = table(&entries, 0, usize::MAX);
        assert!(lines[0].contains("PROB.   JUDGE"), "{lines:#?}");
        assert!(lines[1].contains("97.5 %  50.0 %    192"), "{lines:#?}");
        assert!(lines[2].contains("97.5 %            192"), "{lines:#?}");
    }

    #[test]
    fn a_narrow_terminal_cuts_targets_and_models() {
        let entries = [
            entry(&"t".repeat(90), &"m".repeat(60)),
            entry("宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽", "m"),
        ];
        for width in [80, 100, 140] {
            let lines = table(&entries, 0, width);
            assert!(lines.iter().all(|line| line.width() <= width), "{lines:#?}");
            assert!(lines[1].contains('…') && lines[1].contains("97.5 %"));
        }
        // Too narrow for anything: it must not panic.
        assert_eq!(table(&entries, 0, 5).len(), 3);
        assert_eq!((fit("abc", 2), fit("abc", 0)), ("a…".into(), String::new()));
    }
}
