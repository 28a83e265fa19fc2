//! `ziggurat history show`: the details of a run.

use super::{Failure, output};
use ziggurat::home::Home;
use ziggurat::runs::{description, format, history};

#[derive(clap::Args)]
pub struct Arguments {
    /// Run id or its prefix
    id: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(home: &Home, arguments: Arguments) -> Result<(), Failure> {
    let id = super::resolve(home, &arguments.id)?;
    let mut record = history::read(home, &id)?;
    if arguments.json {
        return Ok(output::json(&record)?);
    }
    history::Naming::new(home).apply_to_record(&mut record);
    let favourite = history::entry(home, &id)?.favourite;
    for (label, text) in description::facts(&record) {
        fact(label, &text)?;
    }
    fact("favourite", if favourite { "yes" } else { "no" })?;
    fact(
        "picture",
        &history::image_path(home, &id)?.display().to_string(),
    )?;
    let frames = history::frames_path(home, &id)?;
    if frames.exists() {
        fact("animation", &frames.display().to_string())?;
    }
    fact("again", &description::command(&record.spec))?;
    output::line("")?;
    for setting in description::settings(&record.spec) {
        let (mark, default) = match setting.default_if_changed() {
            Some(default) => ('*', format!("   default {}", format::value(&default))),
            None => (' ', String::new()),
        };
        let (key, value) = (&setting.key, setting.text());
        output::line(&format!("{mark} {key:<16} {value:<12}{default}"))?;
    }
    Ok(())
}

fn fact(label: &str, text: &str) -> std::io::Result<()> {
    output::line(&format!("{label:<12} {text}"))
}
