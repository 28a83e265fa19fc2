//! `ziggurat run`: make pictures, show them, keep them.

use super::graphics::{Graphics, Screen};
use super::ports::Ports;
use super::writing::is_folder;
use super::{Failure, opening, output};
use anyhow::anyhow;
use image::RgbImage;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};
use ziggurat::ascent::Settings;
use ziggurat::home::Home;
use ziggurat::model::Network;
use ziggurat::runs::batch::{Batch, provider_name};
use ziggurat::runs::queue::{MOST_TOGETHER, shares_steps};
use ziggurat::runs::{Ended, Record, Spec, Target, export, favourites, history, words};
use ziggurat::runtime::{Device, Provider, Stop};

#[derive(clap::Args)]
pub struct Arguments {
    /// Classes by name or index, LAYER:CHANNEL, LAYER:CHANNEL:Y,X (one neuron), or LAYER
    #[arg(value_name = "TARGET", required_unless_present = "from")]
    targets: Vec<String>,
    /// Model: a path, or a card's name
    #[arg(long)]
    model: Option<String>,
    /// Decides the start and every random shift
    #[arg(long)]
    seed: Option<u64>,
    /// Steps in all; short for --set steps=N
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// Settings to start from: default, draft, fine, vivid
    #[arg(long)]
    preset: Option<String>,
    /// Turns a knob; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Repeats the run that made a picture; other options change it
    #[arg(long, value_name = "PICTURE", conflicts_with_all = ["targets", "preset"])]
    from: Option<PathBuf>,
    /// auto, cpu, cuda[:N] or tensorrt[:N]
    #[arg(long, default_value = "auto")]
    provider: String,
    /// Where to write the picture (and, beside it, a JSON file): NAME.png, or a folder, which several targets need
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// How to print the finished picture: auto, kitty, sixel, iterm2, blocks or none
    #[arg(long, value_name = "HOW", default_value = "auto")]
    graphics: Graphics,
    /// Print one line of JSON a finished run
    #[arg(long)]
    json: bool,
    /// Compute again what history holds already
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    ports: Ports,
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    target: &'a str,
    score: f32,
    probability: Option<f32>,
    /// Whether the network takes the picture for the class; nothing for other targets.
    reached: Option<bool>,
    steps: usize,
    seconds: f64,
    provider: &'a str,
    image: &'a Path,
    from_history: bool,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let provider: Provider = arguments.provider.parse().map_err(Failure::usage)?;
    let from = arguments
        .from
        .as_deref()
        .map(export::read_spec)
        .transpose()?;
    let settings = settings(&arguments, from.as_ref())?;
    let seed = arguments
        .seed
        .or(from.as_ref().map(|spec| spec.seed))
        .unwrap_or(0);
    check_writable(arguments.out.as_deref(), arguments.targets.len() > 1)?;
    // Asked now, not when the picture is finished: the user may type ahead until then.
    let screen = match arguments.json {
        true => None,
        false => arguments.graphics.screen(),
    };

    let home = opening::home()?;
    let asked = arguments
        .model
        .as_deref()
        .or(from.as_ref().map(|spec| spec.model.as_str()));
    let network = opening::network(&home, asked, &arguments.ports)?;
    if !settings.mask_layer.is_empty() {
        opening::layer(&network, &settings.mask_layer)?;
    }
    let targets = match &from {
        Some(spec) => vec![repeated(&network, spec)?],
        None => read_targets(&network, &arguments.targets)?,
    };
    let active = opening::provider(provider)?;
    let model = asked.unwrap_or(&network.name);
    let specs: Vec<Spec> = targets
        .iter()
        .map(|target| {
            let what = (target.title.as_str(), target.objective.clone(), target.unit);
            Spec::new((model, &network.hash), what, seed, settings.clone())
        })
        .collect();
    let session = Session {
        home,
        network,
        device: active.device,
        stop: Stop::default(),
        screen,
        arguments,
    };
    session.make(&specs)
}

fn read_targets(network: &Network, texts: &[String]) -> Result<Vec<Target>, Failure> {
    let mut targets: Vec<Target> = Vec::new();
    for text in texts {
        let target = opening::target(network, text)?;
        let known =
            |other: &Target| (&other.objective, other.unit) == (&target.objective, target.unit);
        if !targets.iter().any(known) {
            targets.push(target);
        }
    }
    Ok(targets)
}

/// The target of a picture's spec, if the model is the same and the method too.
fn repeated(network: &Network, spec: &Spec) -> Result<Target, Failure> {
    if spec.model_hash != network.hash {
        return Err(anyhow!(
            "{} is not the model that made the picture; say --model",
            spec.model
        )
        .into());
    }
    if let Some(former) = spec.former() {
        let former: Vec<String> = former
            .iter()
            .map(|(key, value)| format!("{key}={}", words::value(value)))
            .collect();
        output::remark(&format!(
            "the picture was made by method {} of an earlier version; its settings ({}) have no meaning today: target and seed are kept, the settings are the defaults",
            spec.method,
            former.join(", ")
        ));
    } else if !spec.is_current() {
        output::remark(&format!(
            "the picture was made by method {} of an earlier version, with these settings; today's method makes another one of them",
            spec.method
        ));
    }
    let (mut objective, unit) = (spec.objective.clone(), spec.unit);
    if objective.kind.is_of_class()
        && let Some(logits) = network.logits()
    {
        objective.value = logits.into();
    }
    Ok(Target {
        objective,
        unit,
        title: spec.target.clone(),
        remark: None,
    })
}

fn settings(arguments: &Arguments, from: Option<&Spec>) -> Result<Settings, Failure> {
    let mut settings = match (from, &arguments.preset) {
        (Some(spec), _) => spec.settings.clone(),
        (None, Some(preset)) => Settings::preset(preset).map_err(Failure::usage)?,
        (None, None) => Settings::default(),
    };
    if let Some(steps) = arguments.steps {
        settings
            .set("steps", f64::from(steps).into())
            .map_err(Failure::usage)?;
    }
    for set in &arguments.sets {
        let (key, value) = set
            .split_once('=')
            .ok_or_else(|| Failure::usage(anyhow!("--set {set}: say KEY=VALUE")))?;
        settings
            .set_text(key.trim(), value)
            .map_err(Failure::usage)?;
    }
    Ok(settings)
}

/// Asks before minutes of work whether its result can be written.
fn check_writable(out: Option<&Path>, several: bool) -> Result<(), Failure> {
    let Some(out) = out else { return Ok(()) };
    let is_png = !is_folder(out)
        && out
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
    let folder = match (several, is_png) {
        (true, true) => {
            let problem = anyhow!("--out {}: several targets need a folder", out.display());
            return Err(Failure::usage(problem));
        }
        (false, false) if !is_folder(out) => {
            let problem = anyhow!(
                "--out {}: pictures are PNG files; let the name end in .png, or in / if it is a folder",
                out.display()
            );
            return Err(Failure::usage(problem));
        }
        (_, true) => out
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new(".")),
        (_, false) => {
            std::fs::create_dir_all(out)
                .map_err(|problem| anyhow!("--out {}: {problem}", out.display()))?;
            out
        }
    };
    tempfile::tempfile_in(folder)
        .map_err(|problem| anyhow!("--out {}: {problem}", out.display()))?;
    Ok(())
}

/// All that the runs of one command share.
struct Session {
    home: Home,
    network: Network,
    device: Device,
    stop: Stop,
    /// Where pictures are printed, if anywhere.
    screen: Option<Screen>,
    arguments: Arguments,
}

impl Session {
    /// Answers what history holds, and computes the rest in batches of like objectives.
    fn make(&self, specs: &[Spec]) -> Result<(), Failure> {
        let provider = self.provider();
        let mut open: Vec<&Spec> = Vec::new();
        for spec in specs {
            let known = match self.arguments.again {
                true => None,
                false => history::find(&self.home, spec, &provider),
            };
            match known {
                None => open.push(spec),
                Some((record, image)) => {
                    let picture = image::open(&image)?.to_rgb8();
                    self.deliver(&record, &picture, image, true, specs.len() > 1)?;
                }
            }
        }
        let stop = self.stop.clone();
        ctrlc::set_handler(move || stop.stop())?;
        let most = match self.network.batchable {
            true => MOST_TOGETHER,
            false => 1,
        };
        while let Some(first) = open.first().copied() {
            let alike = |spec: &&Spec| shares_steps(spec, first);
            let batch: Vec<&Spec> = open.iter().copied().filter(alike).take(most).collect();
            open.retain(|spec| !batch.iter().any(|taken| std::ptr::eq(*taken, *spec)));
            if !self.climb(&batch, specs.len() > 1)? {
                return Err(anyhow!("stopped; what there was is saved").into());
            }
        }
        Ok(())
    }

    /// Computes one batch. Returns whether it was finished rather than stopped.
    fn climb(&self, batch: &[&Spec], several: bool) -> Result<bool, Failure> {
        let specs: Vec<Spec> = batch.iter().copied().cloned().collect();
        let mut runs = Batch::begin(&self.network, &specs, self.device, &self.stop)?;
        let bar = progress_bar(runs.ascent().steps(), batch);
        let ended = loop {
            match runs.step() {
                Ok(None) => break Ended::Finished,
                Ok(Some(report)) => {
                    bar.set_message(format!("score {}", words::score(mean(&report.scores))));
                    bar.set_position(report.step as u64);
                }
                Err(problem) if problem.is_stop() => break Ended::Stopped,
                Err(problem) => return Err(problem.into()),
            }
        };
        bar.finish_and_clear();
        self.stop.reset();
        if ended == Ended::Stopped && runs.ascent().step_count() == 0 {
            return Ok(false);
        }
        // One that failed does not keep the others from their pictures. All are named, the last one by the error.
        let mut failed: Option<ziggurat::runs::Error> = None;
        for ending in runs.end(ended)? {
            match ending {
                Ok(ending) => {
                    let is_whole = history::find(&self.home, &ending.record.spec, &self.provider());
                    let image = ending.keep(&self.home)?;
                    if ended == Ended::Stopped && is_whole.is_some() && self.arguments.out.is_none()
                    {
                        output::remark("history keeps the run as it was finished before");
                        continue;
                    }
                    self.deliver(&ending.record, &ending.picture, image, false, several)?;
                }
                Err(problem) => {
                    if let Some(earlier) = failed.replace(problem) {
                        output::remark(&earlier.to_string());
                    }
                }
            }
        }
        match failed {
            Some(problem) => Err(problem.into()),
            None => Ok(ended == Ended::Finished),
        }
    }

    /// Writes, shows and reports one finished picture.
    fn deliver(
        &self,
        record: &Record,
        picture: &RgbImage,
        kept: PathBuf,
        from_history: bool,
        several: bool,
    ) -> Result<(), Failure> {
        let image = match &self.arguments.out {
            None => kept,
            Some(out) => {
                let path = match several || out.is_dir() {
                    true => out.join(format!(
                        "{}-{}.png",
                        favourites::file_name(&record.spec.target),
                        &record.id[..6]
                    )),
                    false => out.clone(),
                };
                history::write_pair(&path, &path.with_extension("json"), record, picture)?;
                path
            }
        };
        let steps = record.scores.len();
        if let Some(advice) = record.advice() {
            output::remark(&advice);
        }
        if self.arguments.json {
            return Ok(output::json(&Line {
                id: &record.id,
                target: &record.spec.target,
                score: record.score,
                probability: record.probability,
                reached: record.reached,
                steps,
                seconds: record.seconds,
                provider: &record.provider,
                image: &image,
                from_history,
            })?);
        }
        if let Some(screen) = &self.screen {
            screen.print(picture)?;
        }
        let probability = record
            .probability
            .map(|p| format!(", probability {:.1} %", 100.0 * p))
            .unwrap_or_default();
        let how = match from_history {
            true => "from history".to_string(),
            false => format!(
                "{steps} steps in {:.1} s on {}",
                record.seconds, record.provider
            ),
        };
        let (target, score) = (&record.spec.target, words::score(record.score));
        let image = image.display();
        Ok(output::line(&format!(
            "{target}: score {score}{probability}, {how}: {image}"
        ))?)
    }

    fn provider(&self) -> String {
        provider_name(self.device)
    }
}

fn progress_bar(steps: usize, batch: &[&Spec]) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
    let template = "{prefix} {wide_bar} {pos}/{len} {msg} {per_sec} {eta} left";
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let names: Vec<String> = batch
        .iter()
        .take(3)
        .map(|spec| output::one_line(&spec.target))
        .collect();
    let more = if batch.len() > 3 { ", …" } else { "" };
    bar.set_prefix(format!("{}{more}", names.join(", ")));
    bar
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}
