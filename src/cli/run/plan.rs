//! The runs of each model that a command line requests, determined before any long work.

use super::Arguments;
use crate::cli::output_file::{is_folder, is_png, neither_png_nor_folder, why_not};
use crate::cli::preferences::Preferences;
use crate::cli::{Failure, output, startup};
use anyhow::anyhow;
use std::path::Path;
use ziggurat::ascent::Settings;
use ziggurat::home::Home;
use ziggurat::model::{ModelSource, Network};
use ziggurat::runs::{Spec, Target, format};

/// The runs of one model.
pub struct Plan {
    /// The model as it was asked for; `None` is the default one.
    pub model: Option<String>,
    pub specs: Vec<Spec>,
}

/// What the runs of all models share.
pub struct Planner<'a> {
    pub home: &'a Home,
    pub arguments: &'a Arguments,
    pub from: Option<&'a Spec>,
    pub settings: Settings,
    /// Steps after which settings change, and how.
    pub thens: Vec<Then>,
    pub seed: u64,
}

/// A step after which settings change.
pub struct Then {
    step: usize,
    /// Keys and values.
    changes: Vec<(String, String)>,
}

impl Planner<'_> {
    /// The runs of each of these models, in their order, and the network of the first. No two networks are open
    /// together.
    pub fn plan(&self, models: &[Option<&str>]) -> Result<(Vec<Plan>, Network), Failure> {
        let several = models.len() > 1;
        // An invalid name is reported before anything is downloaded or opened.
        for model in models {
            if let Err(problem) = ModelSource::resolve(self.home, *model) {
                return Err(startup::unresolved(problem));
            }
        }
        let mut plans = Vec::new();
        let mut first = None;
        for model in models.iter().rev() {
            drop(first.take());
            let planned = self.plan_one(*model, several);
            let (plan, network) = planned.map_err(|failure| match (model, several) {
                (Some(model), true) => failure.about(model),
                _ => failure,
            })?;
            plans.push(plan);
            first = Some(network);
        }
        plans.reverse();
        let first = first.ok_or_else(|| anyhow!("no model is given"))?;
        Ok((plans, first))
    }

    fn plan_one(&self, model: Option<&str>, several: bool) -> Result<(Plan, Network), Failure> {
        let network = startup::quiet_network(self.home, model, &self.arguments.model_options)?;
        let name = model.unwrap_or(&network.name).to_string();
        let notice = |text: &str| match several {
            true => output::notice(&format!("{name}: {text}")),
            false => output::notice(text),
        };
        for assumption in network.assumptions() {
            notice(&assumption);
        }
        if !self.settings.mask_layer.is_empty() {
            startup::layer(&network, &self.settings.mask_layer)?;
        }
        let targets = match self.from {
            Some(spec) => vec![repeated(&network, spec)?],
            None => self.read_targets(&network, &notice)?,
        };
        let specs = targets.into_iter().map(|target| {
            let what = (target.title.as_str(), target.objective, target.unit);
            let settings = self.settings.clone();
            self.branched(Spec::new((&name, &network.hash), what, self.seed, settings))
        });
        let plan = Plan {
            model: model.map(str::to_string),
            specs: specs.collect::<Result<_, _>>()?,
        };
        Ok((plan, network))
    }

    /// The run with the changes on its way: those of the run that is repeated, and those that are asked for.
    fn branched(&self, mut spec: Spec) -> Result<Spec, Failure> {
        if let Some(from) = self.from {
            spec = spec.with_earlier_of(from).map_err(Failure::usage)?;
        }
        for Then { step, changes } in &self.thens {
            let mut settings = spec.settings.clone();
            for (key, value) in changes {
                settings.set_text(key, value).map_err(Failure::usage)?;
            }
            let branched = spec.branched(*step, &settings);
            let branched =
                branched.map_err(|problem| Failure::usage(anyhow!("--then: {problem}")))?;
            // It would be a second id of the same picture.
            if settings == spec.settings || branched.changes_at_branch().is_empty() {
                return Err(Failure::usage(anyhow!(
                    "--then: no setting changes at step {step}"
                )));
            }
            spec = branched;
        }
        Ok(spec)
    }

    fn read_targets(
        &self,
        network: &Network,
        notice: &dyn Fn(&str),
    ) -> Result<Vec<Target>, Failure> {
        let mut targets: Vec<Target> = Vec::new();
        for text in &self.arguments.targets {
            let target = startup::quiet_target(network, text)?;
            if let Some(note) = &target.remark {
                notice(note);
            }
            let known =
                |other: &Target| (&other.objective, other.unit) == (&target.objective, target.unit);
            if !targets.iter().any(known) {
                targets.push(target);
            }
        }
        Ok(targets)
    }

    /// The network of a plan, opened again.
    ///
    /// # Errors
    /// If the file is another one by now.
    pub fn open_again(&self, plan: &Plan) -> Result<Network, Failure> {
        let network = startup::quiet_network(
            self.home,
            plan.model.as_deref(),
            &self.arguments.model_options,
        )?;
        match plan
            .specs
            .iter()
            .all(|spec| spec.model_hash == network.hash)
        {
            true => Ok(network),
            false => {
                Err(anyhow!("the file has changed since it was looked at; run it again").into())
            }
        }
    }
}

/// The target of a picture's spec, if the model is the same and the method too.
fn repeated(network: &Network, spec: &Spec) -> Result<Target, Failure> {
    if spec.model_hash != network.hash {
        return Err(anyhow!(
            "the picture was made with {} (hash {}), not with the opened model (hash {}): give that file as --model",
            spec.model,
            spec.model_hash,
            network.hash
        )
        .into());
    }
    if let Some(former) = spec.former() {
        let former: Vec<String> = former
            .iter()
            .map(|(key, value)| format!("{key}={}", format::value(value)))
            .collect();
        output::notice(&format!(
            "the picture was made by method {} of an earlier version; its settings ({}) have no meaning today: target and seed are kept, the settings are the defaults",
            spec.method,
            former.join(", ")
        ));
    } else if !spec.is_current() {
        output::notice(&format!(
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

/// The settings that the options ask for.
pub fn settings(
    arguments: &Arguments,
    preferences: &Preferences,
    from: Option<&Spec>,
) -> Result<Settings, Failure> {
    let mut settings = match (from, &arguments.preset) {
        (Some(spec), _) => spec.settings.clone(),
        (None, Some(preset)) => preferences.preset(preset)?,
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
            .ok_or_else(|| Failure::usage(anyhow!("--set {set}: expected KEY=VALUE")))?;
        settings
            .set_text(key.trim(), value)
            .map_err(Failure::usage)?;
    }
    Ok(settings)
}

/// The changes that `--then` asks for: each `STEP:KEY=VALUE,KEY=VALUE`.
pub fn thens(texts: &[String]) -> Result<Vec<Then>, Failure> {
    let read = |text: &String| {
        let wrong = || Failure::usage(anyhow!("--then {text}: expected STEP:KEY=VALUE,KEY=VALUE"));
        let (step, changes) = text.split_once(':').ok_or_else(wrong)?;
        let change = |change: &str| {
            let (key, value) = change.split_once('=').ok_or_else(wrong)?;
            Ok::<_, Failure>((key.trim().to_string(), value.to_string()))
        };
        Ok(Then {
            step: step.trim().parse().map_err(|_| wrong())?,
            changes: changes.split(',').map(change).collect::<Result<_, _>>()?,
        })
    };
    texts.iter().map(read).collect()
}

/// Checks, before minutes of work, whether the result can be written.
pub fn check_writable(out: Option<&Path>, several: bool) -> Result<(), Failure> {
    let Some(out) = out else { return Ok(()) };
    let folder = match (several, is_png(out)) {
        (true, true) => {
            let problem = anyhow!(
                "--out {}: several targets or models need a folder",
                out.display()
            );
            return Err(Failure::usage(problem));
        }
        (false, false) if !is_folder(out) => {
            return Err(neither_png_nor_folder(out));
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
        .map_err(|problem| anyhow!("--out {}: {}", out.display(), why_not(folder, &problem)))?;
    Ok(())
}
