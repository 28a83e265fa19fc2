//! The HTML file of an atlas: the markup, and the data that its script draws (`page.js`, and `page_input.js` for
//! pointers and keys).
//!
//! Everything from a run is in two blocks of JSON, which the script writes into the page as text, never as markup. The
//! content security policy permits this one script, by its hash, and nothing from outside.

use super::pictures::Pictures;
use super::selection::AtlasRuns;
use crate::runs::export::html::escaped;
use crate::runs::history::HistoryEntry;
use crate::runs::{Record, Spec, description, format};
use crate::text::safe;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("page.css");
/// One function, so that nothing of it is global.
const SCRIPT: &str = concat!(
    "\"use strict\";\n(() => {\n",
    include_str!("page.js"),
    include_str!("page_input.js"),
    "})();\n"
);
const BODY: &str = include_str!("page.html");

/// Maximum number of points of a curve of scores.
const MAX_POINTS: usize = 96;

#[derive(Serialize)]
struct Data {
    /// The name of a score: `mean activation`.
    score_name: &'static str,
    /// Width and height of a place on the sheet, in pixels; number of places in a row.
    side: u32,
    columns: u32,
    channels: Vec<Channel>,
    /// The settings of runs, each once: an index in a channel refers to them.
    settings: Vec<Vec<Setting>>,
}

/// A channel of the layer.
#[derive(Serialize)]
struct Channel {
    /// The command that makes its run.
    command: Option<String>,
    run: Option<Run>,
}

#[derive(Serialize)]
struct Run {
    score: f32,
    score_text: String,
    /// Size of the large picture, in pixels.
    width: u32,
    height: u32,
    facts: Vec<(&'static str, String)>,
    settings: usize,
    /// The scores over the steps, from 0 for the least to 1 for the greatest.
    curve: Vec<f32>,
}

#[derive(Serialize, PartialEq)]
struct Setting {
    key: String,
    text: String,
    help: &'static str,
    is_changed: bool,
}

/// The page. There is one record or none per channel, and a large picture if there is a record.
pub fn document(runs: &AtlasRuns, records: &[Option<Record>], pictures: &Pictures) -> String {
    let typical = runs.typical();
    let sample = typical.and_then(|entry| records.get(entry.unit.index)?.as_ref());
    let sample = sample.or_else(|| records.iter().flatten().next());
    let spec = sample.map(|record| &record.spec);
    let mut settings: Vec<Vec<Setting>> = Vec::new();
    let channels = records.iter().zip(&pictures.large).enumerate();
    let channels = channels.map(|(index, (record, large))| {
        let both = record.as_ref().zip(large.as_ref());
        Channel {
            command: match record {
                Some(record) => Some(description::command(&record.spec)),
                None => spec.map(|spec| description::command(&of_channel(spec, runs, index))),
            },
            run: both.map(|(record, large)| Run {
                score: record.score,
                score_text: format::score(record.score),
                width: large.width,
                height: large.height,
                facts: description::facts(record),
                settings: place(&mut settings, of_run(record)),
                curve: curve(&record.scores),
            }),
        }
    });
    let channels: Vec<Channel> = channels.collect();
    let named = spec.and_then(description::score_name);
    let data = Data {
        score_name: named.map_or("score", |name| name.long),
        side: pictures.side,
        columns: pictures.columns,
        channels,
        settings,
    };
    let large = pictures.large.iter();
    let large: Vec<Option<String>> = large
        .map(|large| Some(STANDARD.encode(&large.as_ref()?.jpeg)))
        .collect();
    let layer = escaped(&safe(&runs.layer));
    let model = spec.map_or_else(String::new, |spec| safe(format::model(&spec.model)));
    let title = format!("{layer} \u{b7} {}", escaped(&model));
    let summary = escaped(&summary(runs, records, typical, &model));
    let body = filled(
        BODY,
        &[
            ("layer", &layer),
            ("summary", &summary),
            ("version", env!("CARGO_PKG_VERSION")),
        ],
    );
    let script_hash = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    [
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; ",
        &format!("style-src 'unsafe-inline'; script-src 'sha256-{script_hash}'\">\n"),
        &format!("<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}"),
        "<img id=\"sheet\" hidden alt=\"The pictures of all channels, row by row\" src=\"data:image/jpeg;base64,",
        &STANDARD.encode(&pictures.sheet),
        "\">\n<script type=\"application/json\" id=\"data\">",
        &json(&data),
        "</script>\n<script type=\"application/json\" id=\"pictures\">",
        &json(&large),
        "</script>\n<script>",
        SCRIPT,
        "</script>\n</body>\n</html>\n",
    ]
    .concat()
}

/// A template with `{{name}}` replaced by the value of that name, in one pass: a value is never
/// searched for names, as it may be from a file. Other double braces stay.
fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let mut parts = template.split("{{");
    let mut page = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let named = part.split_once("}}").and_then(|(name, rest)| {
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            Some((value, rest))
        });
        match named {
            Some((value, rest)) => page.extend([value, rest]),
            None => page.extend(["{{", part]),
        }
    }
    page
}

/// What the page shows, in a line: `efficientnet-lite0 · 198 of 200 channels · seed 0 · steps=80`.
fn summary(
    runs: &AtlasRuns,
    records: &[Option<Record>],
    typical: Option<&HistoryEntry>,
    model: &str,
) -> String {
    let shown = records.iter().flatten().count();
    let mut parts = vec![model.to_string()];
    parts.push(if shown == records.len() {
        format!("{shown} channels")
    } else {
        format!("{shown} of {} channels", records.len())
    });
    if let Some(typical) = typical {
        parts.push(format!("seed {}", typical.seed));
        let changes = typical.changes.to_string();
        parts.extend((!changes.is_empty()).then_some(changes));
    }
    let others = runs.of_channels.len() - runs.alike;
    parts.extend((others > 0).then(|| format!("{others} with another seed or other settings")));
    parts.retain(|part| !part.is_empty());
    parts.join(" \u{b7} ")
}

/// The same request for another channel.
fn of_channel(spec: &Spec, runs: &AtlasRuns, channel: usize) -> Spec {
    let mut other = spec.clone();
    other.unit.index = channel;
    other.target = format!("{}:{channel}", safe(&runs.layer));
    other
}

fn of_run(record: &Record) -> Vec<Setting> {
    let settings = description::settings(&record.spec).into_iter();
    settings
        .map(|setting| Setting {
            text: setting.text(),
            help: setting.knob.map_or("", |knob| knob.help),
            is_changed: setting.default_if_changed().is_some(),
            key: safe(&setting.key),
        })
        .collect()
}

/// The index of these settings among those known; they are added if they are new.
fn place(known: &mut Vec<Vec<Setting>>, settings: Vec<Setting>) -> usize {
    let found = known.iter().position(|other| *other == settings);
    found.unwrap_or_else(|| {
        known.push(settings);
        known.len() - 1
    })
}

/// The scores over the steps, from 0 for the least to 1 for the greatest; empty if there are too few for a curve.
fn curve(scores: &[f32]) -> Vec<f32> {
    let every = scores.len().div_ceil(MAX_POINTS).max(1);
    let kept = scores.iter().step_by(every).copied();
    let scores: Vec<f32> = kept.filter(|score| score.is_finite()).collect();
    let least = scores.iter().copied().fold(f32::INFINITY, f32::min);
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let span = most - least;
    if scores.len() < 2 || !span.is_finite() {
        return Vec::new();
    }
    let relative = |score: &f32| (score - least) / span.max(f32::MIN_POSITIVE);
    scores
        .iter()
        .map(|score| (relative(score) * 1000.0).round() / 1000.0)
        .collect()
}

/// JSON that cannot end its script element: `<` occurs only within strings, and is escaped there.
fn json(object: &impl Serialize) -> String {
    let text = serde_json::to_string(object);
    let text = text.expect("strings and numbers can always be written as JSON");
    crate::text::json(&text).replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_looks_like_a_placeholder_stays() {
        let values = [("layer", "{{summary}}"), ("summary", "a {{layer}} b")];
        let page = filled("<{{layer}}|{{summary}}|{{layer}}>{{other}} {{", &values);
        assert_eq!(page, "<{{summary}}|a {{layer}} b|{{summary}}>{{other}} {{");
    }

    #[test]
    fn every_placeholder_of_the_page_has_a_value() {
        let names = BODY
            .split("{{")
            .skip(1)
            .map(|part| part.split("}}").next().unwrap());
        for name in names {
            assert!(["layer", "summary", "version"].contains(&name), "{name}");
        }
    }
}
