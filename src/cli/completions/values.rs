//! The values of arguments: models, targets, layers, settings, presets, saved runs.
//!
//! A completion must be quick and silent. Nothing is downloaded, errors yield no completions, and work that takes
//! longer than [`MAX_WAIT`] is abandoned. Names with unsafe characters are omitted.

use crate::cli::graphics::Graphics;
use crate::cli::preferences::Preferences;
use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{OnceLock, mpsc};
use std::time::Duration;
use ziggurat::ascent::cam;
use ziggurat::ascent::settings::{Domain, KNOBS};
use ziggurat::home::Home;
use ziggurat::model::{Classes, Layer, ModelFile, ModelSource, Network, card};
use ziggurat::runs::history::{self, query::SortKey};
use ziggurat::runs::presets::Presets;
use ziggurat::runtime::{Library, library};
use ziggurat::terminal::PROTOCOLS;
use ziggurat::text::is_safe;

/// How long the user may wait for a completion.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// The execution providers that can be named without further parts.
const PROVIDERS: &[&str] = &["auto", "cpu", "cuda", "webgpu", "tensorrt"];

/// What a target may begin with, and what follows.
const PREFIXES: [(&str, Completer); 3] =
    [("class:", classes), ("not:", classes), ("layer:", parts)];

/// Candidates for a word that is being typed.
type Completer = fn(&str) -> Vec<CompletionCandidate>;

/// The completers, by the name of the value in the usage, or by the id of the argument in small letters.
const COMPLETERS: &[(&str, Completer)] = &[
    ("MODEL", |word| either(models(word), paths(word, is_model))),
    ("MODEL> <IMAGE", models_and_paths),
    ("model_or_image", models_and_paths),
    ("CARD", models),
    ("TARGET", targets),
    ("LAYER", layers),
    ("KEY=VALUE", settings),
    ("PRESET", presets),
    ("ID", runs),
    ("ID or PICTURE", |word| {
        either(runs(word), paths(word, is_picture))
    }),
    ("PROVIDER", |word| matching(word, PROVIDERS.iter().copied())),
    ("PROVIDERS", provider_lists),
    ("METHOD", |word| {
        matching(word, cam::METHODS.iter().map(|(name, _)| *name))
    }),
    ("KIND", |word| matching(word, history::query::kind_names())),
    ("HOW", |word| matching(word, Graphics::names())),
    ("GRAPHICS", |word| {
        matching(
            word,
            PROTOCOLS.iter().map(|(_, name)| *name).chain(["auto"]),
        )
    }),
    ("KEY", |word| {
        let keys: Vec<String> = SortKey::all().map(|key| key.to_string()).collect();
        matching(word, keys.iter().map(String::as_str))
    }),
];

/// The names of all values with a completer.
#[cfg(test)]
pub const NAMES: [&str; COMPLETERS.len()] = {
    let mut names = [""; COMPLETERS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = COMPLETERS[index].0;
        index += 1;
    }
    names
};

/// The completer of the values with this name.
pub fn completer(name: &str) -> Option<impl ValueCompleter + use<>> {
    let (_, completer) = COMPLETERS.iter().find(|(known, _)| *known == name)?;
    Some(move |word: &OsStr| word.to_str().map_or_else(Vec::new, *completer))
}

/// The completer of paths.
pub fn any_path() -> impl ValueCompleter {
    |word: &OsStr| {
        word.to_str()
            .map_or_else(Vec::new, |word| paths(word, |_| true))
    }
}

/// Candidates of two kinds.
fn either(
    mut some: Vec<CompletionCandidate>,
    others: Vec<CompletionCandidate>,
) -> Vec<CompletionCandidate> {
    some.extend(others);
    some
}

/// The names that start with a word.
fn matching<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Vec<CompletionCandidate> {
    names
        .filter(|name| name.starts_with(word) && name.chars().all(is_safe))
        .map(CompletionCandidate::new)
        .collect()
}

/// Providers, every GPU, and further devices of a list.
fn provider_lists(word: &str) -> Vec<CompletionCandidate> {
    let Some((list, _)) = word.rsplit_once(',') else {
        return matching(word, PROVIDERS.iter().copied().chain(["cuda:all"]));
    };
    let devices = PROVIDERS.iter().filter(|name| **name != "auto");
    let longer: Vec<String> = devices.map(|name| format!("{list},{name}")).collect();
    matching(word, longer.iter().map(String::as_str))
}

/// The names of models.
fn models(word: &str) -> Vec<CompletionCandidate> {
    let names = Home::locate().map_or_else(|_| Vec::new(), |home| card::names(&home));
    matching(word, names.iter().map(String::as_str))
}

fn models_and_paths(word: &str) -> Vec<CompletionCandidate> {
    either(models(word), paths(word, |_| true))
}

/// Files that pass `test`, and all folders.
fn paths(word: &str, test: fn(&Path) -> bool) -> Vec<CompletionCandidate> {
    let completer = PathCompleter::any().filter(move |path| path.is_dir() || test(path));
    let mut candidates = completer.complete(OsStr::new(word));
    candidates.retain(|candidate| {
        let name = candidate.get_value().to_str();
        name.is_some_and(|name| name.chars().all(is_safe))
    });
    candidates
}

fn is_model(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "onnx")
}

fn is_picture(path: &Path) -> bool {
    let endings = ["png", "json"];
    path.extension()
        .is_some_and(|ending| endings.iter().any(|known| ending == *known))
}

/// Classes, layers and their channels, with or without a prefix such as `not:`; a prefix that is being typed.
fn targets(word: &str) -> Vec<CompletionCandidate> {
    for (prefix, complete) in PREFIXES {
        if let Some(rest) = word.strip_prefix(prefix) {
            let candidates = complete(rest).into_iter();
            return candidates
                .map(|candidate| candidate.add_prefix(prefix))
                .collect();
        }
    }
    let mut candidates = either(bare_classes(word), parts(word));
    if !word.is_empty() {
        candidates.extend(matching(word, PREFIXES.iter().map(|(prefix, _)| *prefix)));
    }
    candidates
}

/// The classes of the model, those with a prefix that would be read as something else without it.
fn bare_classes(word: &str) -> Vec<CompletionCandidate> {
    let names = class_names().into_iter();
    let targets: Vec<String> = names.map(bare_class).collect();
    matching(word, targets.iter().map(String::as_str))
}

/// The target that is the class of this name.
fn bare_class(name: String) -> String {
    let is_prefixed = PREFIXES.iter().any(|(prefix, _)| name.starts_with(prefix));
    // An option would begin with a hyphen.
    if is_prefixed || name.starts_with('-') {
        format!("class:{name}")
    } else {
        name
    }
}

/// The classes of the model, as they follow a prefix.
fn classes(word: &str) -> Vec<CompletionCandidate> {
    matching(word, class_names().iter().map(String::as_str))
}

/// The classes of the model: those of its card, which need no open network, or else those that the network has. A name
/// that occurs twice is a target by its index only, and is omitted.
fn class_names() -> Vec<String> {
    let of_card = || classes_of_card(&Home::locate().ok()?);
    let of_network = || opened().map(|opened| &opened.classes);
    let of_card = within(MAX_WAIT, of_card);
    let Some(classes) = of_card.as_ref().or_else(of_network) else {
        return Vec::new();
    };
    let unique = |(index, name): &(usize, &str)| classes.find(name).ok() == Some(*index);
    let names = classes.iter().filter(unique);
    names.map(|(_, name)| name.to_string()).collect()
}

fn classes_of_card(home: &Home) -> Option<Classes> {
    match source(home)? {
        ModelSource::File(file) => file.card.classes().ok()?,
        ModelSource::Published(published) => published.card.classes().ok()?,
    }
}

/// The layers of the model.
fn layers(word: &str) -> Vec<CompletionCandidate> {
    let layers = opened().map_or(&[][..], |opened| &opened.layers);
    matching(word, layers.iter().map(|layer| &*layer.name))
}

/// The layers of the model, and the channels of the layer that is before a colon.
fn parts(word: &str) -> Vec<CompletionCandidate> {
    let mut candidates = layers(word);
    // A layer's name may have colons itself.
    let channels = word.rmatch_indices(':').find_map(|(at, _)| {
        let mut layers = opened()?.layers.iter();
        let layer = layers.find(|layer| layer.name == word[..at])?;
        Some((0..layer.channels()).map(|channel| format!("{}:{channel}", layer.name)))
    });
    let channels: Vec<String> = channels.into_iter().flatten().collect();
    candidates.extend(matching(word, channels.iter().map(String::as_str)));
    candidates
}

/// What targets need of a network.
struct OpenedModel {
    classes: Classes,
    /// Those that are activations.
    layers: Vec<Layer>,
}

/// The model of the command line, opened once. That takes a moment.
fn opened() -> Option<&'static OpenedModel> {
    static OPENED: OnceLock<Option<OpenedModel>> = OnceLock::new();
    let open = || {
        let network = network(&Home::locate().ok()?)?;
        let mut layers = network.layers();
        layers.retain(|layer| layer.is_activation);
        let classes = network.classes;
        Some(OpenedModel { classes, layers })
    };
    OPENED.get_or_init(|| within(MAX_WAIT, open)).as_ref()
}

/// The model of the command line, if ONNX Runtime and the model are on this machine.
fn network(home: &Home) -> Option<Network> {
    let source = source(home).filter(|source| source.is_here(home))?;
    library::find(home).ok()?.found?;
    Library::load(home, &|_| {}).ok()?;
    let file: ModelFile = source.open(home, &|_| {}).ok()?;
    Network::open(&file).ok()
}

/// The model that the command line names so far, otherwise the default one.
fn source(home: &Home) -> Option<ModelSource> {
    let words: Vec<String> = std::env::args_os()
        .skip_while(|word| word != "--")
        .skip(2)
        .filter_map(|word| word.into_string().ok())
        .collect();
    let resolved = |name: &str| ModelSource::resolve(home, Some(name)).ok();
    match named_model(&words) {
        Some(name) => resolved(name),
        // Options and their values are no models.
        None => words
            .iter()
            .skip(1)
            .find_map(|word| resolved(word))
            .or_else(|| {
                // One that cannot be opened is not another one.
                if words.iter().any(|word| is_model(Path::new(word))) {
                    return None;
                }
                let preferences = Preferences::read(home).0;
                let name = preferences.config.model;
                ModelSource::resolve(home, name.as_deref()).ok()
            }),
    }
}

/// The last value of `--model`.
fn named_model(words: &[String]) -> Option<&str> {
    let mut values = words.iter().enumerate().filter_map(|(index, word)| {
        match word.strip_prefix("--model")? {
            "" => words.get(index + 1).map(String::as_str),
            value => value.strip_prefix('='),
        }
    });
    values.next_back()
}

/// Settings as `KEY=`, and the values of a setting with names for values.
fn settings(word: &str) -> Vec<CompletionCandidate> {
    let Some((key, value)) = word.split_once('=') else {
        let named = KNOBS.iter().filter(|knob| knob.key.starts_with(word));
        let candidate = |knob: &ziggurat::ascent::settings::Knob| {
            CompletionCandidate::new(format!("{}=", knob.key)).help(Some(knob.help.trim().into()))
        };
        return named.map(candidate).collect();
    };
    let knob = KNOBS.iter().find(|knob| knob.key == key);
    let values = match knob.map(|knob| knob.domain) {
        Some(Domain::Choice(names)) => matching(value, names.iter().copied()),
        Some(Domain::Layer) => layers(value),
        _ => Vec::new(),
    };
    let prefixed = |candidate: CompletionCandidate| candidate.add_prefix(format!("{key}="));
    values.into_iter().map(prefixed).collect()
}

fn presets(word: &str) -> Vec<CompletionCandidate> {
    let mut presets = Presets::default();
    if let Ok(home) = Home::locate() {
        presets.add(Preferences::read(&home).0.config.presets);
    }
    matching(word, presets.names().into_iter())
}

/// The ids of saved runs, with their targets.
fn runs(word: &str) -> Vec<CompletionCandidate> {
    let word = word.to_string();
    let found = within(MAX_WAIT, move || {
        let home = Home::locate().ok()?;
        let mut found = Vec::new();
        let mut add = |entries: Vec<history::HistoryEntry>| {
            let mut entries = entries;
            entries.retain(|entry| entry.id.starts_with(&word));
            found.append(&mut entries);
        };
        history::scan(&home, &mut add).ok()?;
        Some(found)
    });
    let mut found = found.unwrap_or_default();
    found.sort_by_key(|entry| std::cmp::Reverse(entry.time));
    let candidate = |entry: &history::HistoryEntry| {
        let target = ziggurat::text::safe(&entry.target);
        CompletionCandidate::new(&entry.id).help(Some(target.into()))
    };
    found.iter().map(candidate).collect()
}

/// The result of `work`, if it is there within `limit`.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Option<T> + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(limit).ok().flatten()
}

#[cfg(test)]
mod tests;
