//! Lists of targets: text files with one target per line, all channels of a layer, or all classes.
//!
//! Used by the command line, whose `run` reads such lists and whose `history missing` writes them.

use super::Target;
use super::target::{LayerPart, NOT, TargetError, TargetScope};
use crate::ascent::Kind;
use std::io::{self, Read};

/// Maximum size of a list, in bytes.
pub const MAX_BYTES: u64 = 16 << 20;

/// Maximum number of targets of one command.
pub const MAX_TARGETS: usize = 250_000;

/// A line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// The target, without the space around it.
    pub target: String,
}

/// Why a list cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("the list is larger than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    #[error("the list has more than {MAX_TARGETS} targets: divide it")]
    TooMany,
    /// The line of this number is no text.
    #[error("line {0} is not UTF-8 text; a list has one target per line")]
    NotText(usize),
}

/// Reads a list: one target per line. Blank lines and those that begin with `#` are skipped.
///
/// # Errors
/// [`ListError`].
pub fn read(list: impl Read) -> Result<Vec<Line>, ListError> {
    let mut bytes = Vec::new();
    list.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ListError::TooLarge);
    }
    // The byte order mark of some editors.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let line = std::str::from_utf8(line).map_err(|_| ListError::NotText(number))?;
        let target = line.trim();
        if target.is_empty() || target.starts_with('#') {
            continue;
        }
        if lines.len() == MAX_TARGETS {
            return Err(ListError::TooMany);
        }
        let target = target.to_string();
        lines.push(Line { number, target });
    }
    Ok(lines)
}

/// The line of a list that stands for a target: its title if that is read as this target, otherwise a longer form.
/// `None` if its name cannot be part of a line.
pub fn line(scope: &TargetScope, target: &Target) -> Option<String> {
    let (title, value) = (&target.title, &target.objective.value);
    let (index, (row, column)) = (target.unit.index, target.unit.position);
    let forms = match target.objective.kind {
        Kind::Class => vec![
            title.clone(),
            format!("class:{title}"),
            format!("class:{}", scope.classes.index_text(index)),
        ],
        Kind::NotClass => {
            let title = title.strip_prefix(NOT).unwrap_or(title);
            let forms = [title.into(), scope.classes.index_text(index)];
            forms.map(|form: String| format!("not:{form}")).to_vec()
        }
        Kind::Layer => vec![title.clone(), format!("layer:{value}")],
        Kind::Channel => vec![title.clone(), format!("layer:{value}:{index}")],
        Kind::Neuron => {
            let full = format!("layer:{value}:{index}:{row},{column}");
            vec![title.clone(), full]
        }
    };
    let means_it = |text: &String| {
        let lines = read(text.as_bytes());
        let is_a_line = matches!(lines.as_deref(), Ok([line]) if line.target == *text);
        let is_safe = text.chars().all(crate::text::is_safe);
        let read = || scope.read(text);
        let is_same =
            |read: Target| (&read.objective, read.unit) == (&target.objective, target.unit);
        is_a_line && is_safe && read().is_ok_and(is_same)
    };
    forms.into_iter().find(means_it)
}

/// All channels of a layer.
///
/// # Errors
/// As [`TargetScope::read`], [`TargetError::Part`] if `layer` names a channel or a neuron, and
/// [`TargetError::TooMany`] for more than [`MAX_TARGETS`].
pub fn channels(scope: &TargetScope, layer: &str) -> Result<Vec<Target>, TargetError> {
    let text = if layer.starts_with("layer:") {
        layer.to_string()
    } else {
        format!("layer:{layer}")
    };
    let target = scope.read(&text)?;
    let name = &target.objective.value;
    let layers = &mut scope.layers.iter();
    match layers.find(|known| target.objective.kind == Kind::Layer && known.name == *name) {
        Some(layer) if layer.channels() > MAX_TARGETS => Err(TargetError::TooMany {
            layer: super::target::safe_title(name),
            count: layer.channels(),
            most: MAX_TARGETS,
        }),
        Some(layer) => {
            let channels = 0..layer.channels();
            channels
                .map(|index| Target::of_layer(layer, LayerPart::Channel(index)))
                .collect()
        }
        None => Err(TargetError::Part {
            part: target.title,
            layer: super::target::safe_title(name),
        }),
    }
}

/// All classes.
///
/// # Errors
/// [`TargetError::NoClasses`].
pub fn classes(scope: &TargetScope) -> Result<Vec<Target>, TargetError> {
    scope.logits.ok_or(TargetError::NoClasses)?;
    (0..scope.classes.len())
        .map(|index| scope.class(index))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autodiff::differentiability::Differentiability;
    use crate::model::{Classes, Layer, Layout};

    fn with_scope<T>(test: impl FnOnce(&TargetScope) -> T) -> T {
        let layer = |name: &str| Layer {
            name: name.into(),
            op: "Conv".into(),
            dims: vec![1, 3, 4, 6],
            layout: Layout::channels_first(&[1, 3, 4, 6]).unwrap(),
            parameters: 0,
            is_activation: true,
            differentiability: Differentiability::Differentiable,
        };
        let names = ["tench", "stem", "#1", " ", "crane", "crane", "0"];
        test(&TargetScope {
            logits: Some("logits"),
            classes: &Classes::new(names, "test").unwrap(),
            layers: &["stem", "a:b", "evil\nname"].map(layer),
        })
    }

    fn targets(text: &[u8]) -> Vec<(usize, String)> {
        let lines = read(text).unwrap().into_iter();
        lines.map(|line| (line.number, line.target)).collect()
    }

    #[test]
    fn blank_lines_and_comments_are_skipped_and_lines_counted() {
        let text = b"\xef\xbb\xbf# a list\r\nstem:1\r\n\r\n  tiger shark \n\t# no target\nclass:#5";
        let expected = [(2, "stem:1"), (4, "tiger shark"), (6, "class:#5")];
        assert_eq!(targets(text), expected.map(|(n, text)| (n, text.into())));
        assert!(targets(b"").is_empty() && targets(b"# none\n\n").is_empty());
    }

    #[test]
    fn a_list_is_bounded_and_text() {
        let problem = |text: &[u8]| read(text).unwrap_err().to_string();
        assert!(problem(b"stem\n\xff\xfe\n").starts_with("line 2 is not UTF-8"));
        assert!(matches!(read(io::repeat(b'#')), Err(ListError::TooLarge)));
        let many = "1\n".repeat(MAX_TARGETS + 1);
        assert!(matches!(read(many.as_bytes()), Err(ListError::TooMany)));
        assert_eq!(read(&many.as_bytes()[2..]).unwrap().len(), MAX_TARGETS);
    }

    #[test]
    fn every_line_that_is_written_is_read_as_the_same_target() {
        with_scope(|scope| {
            let mut all = classes(scope).unwrap();
            all.extend(all.clone().into_iter().map(Target::negated));
            for name in ["stem", "a:b"] {
                all.extend(channels(scope, name).unwrap());
                all.push(scope.read(&format!("layer:{name}")).unwrap());
                all.push(scope.read(&format!("layer:{name}:2:3,5")).unwrap());
            }
            let written: Vec<String> = all.iter().map(|one| line(scope, one).unwrap()).collect();
            let lines = read(written.join("\n").as_bytes()).unwrap();
            assert_eq!(lines.len(), all.len());
            for (line, target) in lines.iter().zip(&all) {
                let read = scope.read(&line.target).unwrap();
                assert_eq!(
                    (&read.objective, read.unit),
                    (&target.objective, target.unit)
                );
            }
            // A name where it is enough, otherwise a longer form.
            assert_eq!(written[..3], ["tench", "class:stem", "class:#1"]);
            assert_eq!(written[4], "class:#4");
            assert_eq!(written[7..9], ["not:tench", "not:stem"]);
            assert!(written.contains(&"stem:2".into()) && written.contains(&"a:b:2:3,5".into()));
        });
    }

    #[test]
    fn a_name_with_a_line_break_cannot_be_listed() {
        with_scope(|scope| {
            let all = channels(scope, "evil\nname").unwrap();
            assert_eq!((all.len(), line(scope, &all[0])), (3, None));
        });
    }

    #[test]
    fn all_is_about_layers_only() {
        with_scope(|scope| {
            assert_eq!(channels(scope, "layer:stem").unwrap().len(), 3);
            let problem = channels(scope, "stem:1").unwrap_err().to_string();
            assert_eq!(problem, "stem:1 is a part of a layer: say stem");
            assert!(matches!(channels(scope, "stm"), Err(TargetError::Layer(_))));
            let none = TargetScope {
                logits: None,
                ..*scope
            };
            assert!(matches!(classes(&none), Err(TargetError::NoClasses)));
        });
    }
}
