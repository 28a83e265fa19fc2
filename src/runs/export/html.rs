//! One HTML file that shows runs with all their settings. It holds its pictures itself, runs no script and asks no
//! server, so it can be mailed, opened from a disk, or kept for years.

use super::ExportedRun;
use crate::runs::description;
use crate::runs::{Error, Record, format, picture_file};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;

/// Most runs on a page: browsers grow slow beyond, as every picture is in the file.
pub const MAX_RUNS: usize = 500;

/// Most points of a curve of scores: about as many as it is wide, in pixels.
const POINTS: usize = 160;

/// Width and height of the curve's own units.
const CURVE: (f32, f32) = (160.0, 40.0);

const STYLE: &str = include_str!("page.css");

/// The page of some runs, in their order. Its pictures carry their settings: one that is saved from the page can be
/// given to `ziggurat run --from`.
///
/// # Errors
/// [`Error::Export`] if there is no run, or more than [`MAX_RUNS`].
pub fn document(runs: &[ExportedRun]) -> Result<String, Error> {
    if runs.is_empty() || runs.len() > MAX_RUNS {
        let count = runs.len();
        let why = format!("a page holds 1 to {MAX_RUNS} runs, not {count}");
        return Err(Error::Export(why));
    }
    let title = escaped(&title(runs));
    let summary = escaped(&summary(runs));
    let articles: String = runs.iter().map(article).collect();
    let version = env!("CARGO_PKG_VERSION");
    Ok(format!(
        "<!doctype html>\n\
         <html lang=\"en\">\n\
         <head>\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n\
         <style>\n{STYLE}</style>\n\
         </head>\n\
         <body>\n\
         <header>\n<h1>{title}</h1>\n<p>{summary}</p>\n</header>\n\
         <main>\n{articles}</main>\n\
         <footer>Made with Ziggurat {version}: gradient ascent on the input image of the network itself.</footer>\n\
         </body>\n\
         </html>\n"
    ))
}

/// The models' names, in the order of their first run.
fn models(runs: &[ExportedRun]) -> Vec<String> {
    let mut models: Vec<String> = Vec::new();
    for run in runs {
        let name = crate::text::safe(format::model(&run.record.spec.model));
        if !models.contains(&name) {
            models.push(name);
        }
    }
    models
}

fn title(runs: &[ExportedRun]) -> String {
    match models(runs).as_slice() {
        [one] => format!("Activation maximization of {one}"),
        several => format!("Activation maximization of {} models", several.len()),
    }
}

fn summary(runs: &[ExportedRun]) -> String {
    let count = match runs.len() {
        1 => "One picture".into(),
        several => format!("{several} pictures"),
    };
    let models = models(runs);
    let of = match models.len() {
        1 => String::new(),
        _ => format!(" from {}", models.join(", ")),
    };
    format!("{count}{of}. Each was optimized to maximize the activation of its target.")
}

fn article(run: &ExportedRun) -> String {
    let record = &run.record;
    let (width, height) = run.picture.dimensions();
    let picture = STANDARD.encode(picture_file::encode(&run.picture, &record.spec));
    let target = escaped(&crate::text::safe(&record.spec.target));
    let score = format::score(record.score);
    let probability = record.probability.map(format::percent).unwrap_or_default();
    format!(
        "<article>\n\
         <img src=\"data:image/png;base64,{picture}\" alt=\"{target}\" width=\"{width}\" height=\"{height}\" loading=\"lazy\">\n\
         <div class=\"caption\">\n\
         <h2>{target}</h2>\n\
         <div class=\"result\"><span>score {score}</span><b>{probability}</b></div>\n\
         {}<details>\n<summary>Details</summary>\n{}{}<code>{}</code>\n</details>\n\
         </div>\n\
         </article>\n",
        curve(&record.scores),
        facts(record),
        settings(record),
        escaped(&description::command(&record.spec)),
    )
}

/// The scores over the steps as a curve; nothing if there are too few for one.
fn curve(scores: &[f32]) -> String {
    let every = scores.len().div_ceil(POINTS).max(1);
    let kept = scores.iter().step_by(every).copied();
    let scores: Vec<f32> = kept.filter(|score| score.is_finite()).collect();
    if scores.len() < 2 {
        return String::new();
    }
    let least = scores.iter().copied().fold(f32::INFINITY, f32::min);
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let span = (most - least).max(f32::MIN_POSITIVE);
    let mut points = String::new();
    for (index, score) in scores.iter().enumerate() {
        let x = index as f32 / (scores.len() - 1) as f32 * CURVE.0;
        let y = (most - score) / span * CURVE.1;
        write!(points, "{x:.1},{y:.1} ").expect("writing to a string cannot fail");
    }
    format!(
        "<svg viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"score over the steps\">\
         <polyline points=\"{}\"/></svg>\n",
        CURVE.0,
        CURVE.1,
        points.trim_end()
    )
}

fn facts(record: &Record) -> String {
    let facts = description::facts(record);
    let rows = facts.iter().map(|(label, text)| row("", label, "", text));
    format!("<table>\n{}</table>\n", rows.collect::<String>())
}

fn settings(record: &Record) -> String {
    let settings = description::settings(&record.spec);
    let rows = settings.iter().map(|setting| {
        let class = match setting.default_if_changed() {
            Some(_) => " class=\"changed\"",
            None => "",
        };
        let help = setting.knob.map_or("", |knob| knob.help);
        row(class, &setting.key, help, &setting.text())
    });
    format!("<table>\n{}</table>\n", rows.collect::<String>())
}

fn row(class: &str, label: &str, help: &str, text: &str) -> String {
    let (label, help, text) = (escaped(label), escaped(help), escaped(text));
    format!("<tr{class}><th title=\"{help}\">{label}</th><td>{text}</td></tr>\n")
}

/// Text in HTML, in an attribute or between tags.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::testing::{picture, record};

    fn exhibit(seed: u64) -> ExportedRun {
        ExportedRun {
            record: record(seed),
            picture: picture(),
        }
    }

    #[test]
    fn the_page_has_every_picture_unchanged() {
        let runs = [exhibit(1), exhibit(2)];
        let page = document(&runs).unwrap();
        let mark = "src=\"data:image/png;base64,";
        let pictures: Vec<&str> = page.split(mark).skip(1).collect();
        assert_eq!(pictures.len(), 2);
        let folder = tempfile::tempdir().unwrap();
        for (text, run) in pictures.into_iter().zip(&runs) {
            let end = text.find('"').unwrap();
            let path = folder.path().join("saved.png");
            std::fs::write(&path, STANDARD.decode(&text[..end]).unwrap()).unwrap();
            assert_eq!(picture_file::read_spec(&path).unwrap(), run.record.spec);
            assert_eq!(picture_file::read_picture(&path).unwrap(), run.picture);
        }
    }

    #[test]
    fn nothing_from_a_run_becomes_markup() {
        let mut run = exhibit(1);
        run.record.spec.target = "<script>alert(\"x\")</script>\u{1b}".into();
        run.record.spec.model = "a'b\"onload=x".into();
        run.record.provider = "</td><img src=//evil>".into();
        let page = document(&[run]).unwrap();
        assert!(!page.contains("<script") && !page.contains("<img src=//"));
        assert!(!page.contains("\"onload") && !page.contains('\u{1b}'));
        assert!(page.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;\\u{1b}"));
    }

    #[test]
    fn the_page_loads_nothing_and_has_every_setting() {
        let mut run = exhibit(1);
        run.record.spec.settings.set("noise", 0.25.into()).unwrap();
        let page = document(&[run]).unwrap();
        for outside in ["http://", "https://", "<link", "<script", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        for knob in crate::ascent::settings::KNOBS {
            assert!(
                page.contains(&format!(">{}</th>", knob.key)),
                "{}",
                knob.key
            );
        }
        assert_eq!(page.matches("class=\"changed\"").count(), 1);
        assert!(page.contains(">ziggurat run class:130 --model m --seed 1 --set noise=0.25<"));
    }

    #[test]
    fn a_curve_is_bounded_and_survives_any_scores() {
        let long: Vec<f32> = (0..100_000).map(|step| step as f32).collect();
        let points = |scores: &[f32]| curve(scores).matches(',').count();
        assert!((2..=POINTS).contains(&points(&long)));
        assert_eq!(points(&[1.0, 1.0, 1.0]), 3);
        assert_eq!(curve(&[f32::NAN, f32::INFINITY, 1.0]), "");
        assert!(document(&[]).is_err());
    }
}
