//! The runs of each model that a command line requests, determined before any long work.

use super::model_options::ModelOptions;
use super::preferences::Preferences;
use super::run_options::{RunOptions, Then, Wanted};
use super::{Failure, output, startup};
use anyhow::anyhow;
use std::collections::HashSet;
use ziggurat::ascent::Settings;
use ziggurat::home::Home;
use ziggurat::model::{ModelSource, Network};
use ziggurat::runs::target::TargetScope;
use ziggurat::runs::target_list::{self, MAX_TARGETS};
use ziggurat::runs::{Spec, Target, format};
use ziggurat::text::with_subject;

/// The runs of one model.
pub struct Plan {
    /// The model as it was asked for; `None` is the default one.
    pub model: Option<String>,
    /// Those of the shard that is asked for.
    pub specs: Vec<Spec>,
    /// The number of runs of all shards.
    pub all: usize,
}

/// What the runs of all models share.
pub struct Planner<'a> {
    home: &'a Home,
    options: &'a RunOptions,
    model_options: &'a ModelOptions,
    from: Option<&'a Spec>,
    settings: Settings,
    thens: Vec<Then>,
    seed: u64,
    wanted: Wanted,
}

impl<'a> Planner<'a> {
    /// Reads settings and lists of targets, before any model is opened. `from` is the run to repeat.
    ///
    /// # Errors
    /// If an option is wrong, or a list cannot be read.
    pub fn new(
        home: &'a Home,
        options: &'a RunOptions,
        model_options: &'a ModelOptions,
        preferences: &Preferences,
        from: Option<&'a Spec>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            home,
            options,
            model_options,
            from,
            settings: options.settings(preferences, from)?,
            thens: options.thens()?,
            seed: options.seed.or(from.map(|spec| spec.seed)).unwrap_or(0),
            wanted: options.wanted()?,
        })
    }

    /// The runs of each of these models, in their order, and the network of the first. No two networks are open
    /// together.
    pub fn plan(&self, models: &[Option<&str>]) -> Result<(Vec<Plan>, Network), Failure> {
        self.resolve(models)?;
        let mut plans = Vec::new();
        let mut first = None;
        for model in models.iter().rev() {
            drop(first.take());
            let (plan, network) = self.plan_one(*model, models.len() > 1)?;
            plans.push(plan);
            first = Some(network);
        }
        plans.reverse();
        let first = first.ok_or_else(|| anyhow!("no model is given"))?;
        Ok((plans, first))
    }

    /// Reports an invalid name of a model, before anything is downloaded or opened.
    pub fn resolve(&self, models: &[Option<&str>]) -> Result<(), Failure> {
        for model in models {
            ModelSource::resolve(self.home, *model).map_err(startup::unresolved)?;
        }
        Ok(())
    }

    /// The runs of one of the models, or of `several`, and its network.
    pub fn plan_one(&self, model: Option<&str>, several: bool) -> Result<(Plan, Network), Failure> {
        let planned = self.plan_model(model, several);
        planned.map_err(|failure| match (model, several) {
            (Some(model), true) => failure.about(model),
            _ => failure,
        })
    }

    fn plan_model(&self, model: Option<&str>, several: bool) -> Result<(Plan, Network), Failure> {
        let network = startup::quiet_network(self.home, model, self.model_options)?;
        let name = model.unwrap_or(&network.name).to_string();
        let notice = |text: &str| {
            if several {
                output::notice(&with_subject(&name, text));
            } else {
                output::notice(text);
            }
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
        let mut specs = specs.collect::<Result<Vec<Spec>, Failure>>()?;
        let all = specs.len();
        if let Some(shard) = self.options.shard {
            specs.retain(|spec| shard.contains(&spec.id()));
        }
        let model = model.map(str::to_string);
        Ok((Plan { model, specs, all }, network))
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

    /// The targets that the options name, each once, in their order.
    fn read_targets(
        &self,
        network: &Network,
        notice: &dyn Fn(&str),
    ) -> Result<Vec<Target>, Failure> {
        let layers = network.layers();
        let scope = TargetScope::new(network, &layers);
        let mut targets: Vec<Target> = Vec::new();
        for (place, text) in &self.wanted.texts {
            let target = scope.read(text).map_err(startup::not_a_target);
            let target = target.map_err(|failure| match place {
                Some(place) => failure.about(place),
                None => failure,
            })?;
            if let Some(note) = &target.remark {
                notice(note);
            }
            targets.push(target);
        }
        for layer in &self.wanted.layers {
            let channels = target_list::channels(&scope, layer);
            let channels = channels.map_err(startup::not_a_target);
            targets.extend(channels.map_err(|failure| failure.about("--all"))?);
            check_count(targets.len())?;
        }
        if self.wanted.all_classes {
            let classes = target_list::classes(&scope).map_err(startup::not_a_target);
            targets.extend(classes.map_err(|failure| failure.about("--all-classes"))?);
        }
        let mut known = HashSet::new();
        targets.retain(|target| known.insert((target.objective.clone(), target.unit)));
        check_count(targets.len())?;
        Ok(targets)
    }

    /// The network of a plan, opened again.
    ///
    /// # Errors
    /// If the file is another one by now.
    pub fn open_again(&self, plan: &Plan) -> Result<Network, Failure> {
        let network = startup::quiet_network(self.home, plan.model.as_deref(), self.model_options)?;
        if plan
            .specs
            .iter()
            .all(|spec| spec.model_hash == network.hash)
        {
            Ok(network)
        } else {
            Err(anyhow!("the file has changed since it was looked at; run it again").into())
        }
    }
}

/// Refuses more targets than one command takes.
fn check_count(count: usize) -> Result<(), Failure> {
    if count <= MAX_TARGETS {
        return Ok(());
    }
    Err(Failure::usage(anyhow!(
        "{count} targets are more than one command takes ({MAX_TARGETS}): divide them"
    )))
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
