//! The run that `--from` repeats: given by its id, or by a picture that carries its spec.

use crate::cli::{Failure, output};
use anyhow::anyhow;
use std::path::Path;
use ziggurat::home::Home;
use ziggurat::runs::batch::{provider_name, used_tf32};
use ziggurat::runs::queue::{MAX_TOGETHER, shares_steps};
use ziggurat::runs::{self, Record, Spec, history, picture_file};
use ziggurat::runtime::{Device, registration};

/// The run to repeat.
pub struct From {
    pub spec: Spec,
    /// Its record, if the history has it.
    pub record: Option<Record>,
}

impl From {
    /// The run that made the picture at a path, or else the one whose id is or begins with this text.
    ///
    /// # Errors
    /// If there is neither, or it cannot be read.
    pub fn read(home: &Home, from: &Path) -> Result<Self, Failure> {
        let text = from.to_str().filter(|_| !from.exists());
        if let Some(text) = text.filter(|text| !is_id(text)) {
            return Err(Failure::usage(anyhow!(
                "--from: {text} is neither a run id nor a picture; `ziggurat history list` shows the ids"
            )));
        }
        let Some(prefix) = text else {
            let spec = picture_file::read_spec(from)?;
            let record = history::read(home, &spec.id());
            return Ok(Self {
                record: record.ok(),
                spec,
            });
        };
        let id = history::resolve(home, prefix).map_err(|problem| match problem {
            mistake @ (runs::Error::NoRun(_) | runs::Error::Ambiguous { .. }) => {
                Failure::usage(mistake)
            }
            other => other.into(),
        })?;
        let record = history::read(home, &id)?;
        if let Some(notice) = other_precision(&record.provider, registration::is_tf32_allowed()) {
            output::notice(notice);
        }
        Ok(Self {
            spec: record.spec.clone(),
            record: Some(record),
        })
    }
}

/// The notice that a run was computed with another precision than the current one; `None` if it is the same.
fn other_precision(provider: &str, is_tf32_allowed: bool) -> Option<&'static str> {
    match (used_tf32(provider), is_tf32_allowed) {
        (true, false) => {
            Some("the run was computed with TF32: set ZIGGURAT_TF32=1 to get the same picture")
        }
        (false, true)
            if ["cuda", "tensorrt"]
                .iter()
                .any(|one| provider.starts_with(one)) =>
        {
            Some("the run was computed without TF32: unset ZIGGURAT_TF32 to get the same picture")
        }
        _ => None,
    }
}

/// Whether a text can only be an id or its first digits.
fn is_id(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// The runs that stepped in one batch with the run of a record, in order, if `asked` is that run and its picture
/// depends on them; otherwise empty. Prints a notice if they cannot be repeated.
pub fn companions(home: &Home, record: &Record, asked: &[Spec], device: Device) -> Vec<Spec> {
    let is_repeated = asked.len() == 1 && asked[0].id() == record.id;
    let Some(count) = record.together.filter(|count| *count > 1) else {
        return Vec::new();
    };
    if !is_repeated || record.provider != provider_name(device) {
        return Vec::new();
    }
    let missing = |what: &str| {
        output::notice(&format!(
            "the run stepped with {count} runs together, and {what}: its picture may look different"
        ));
        Vec::new()
    };
    if record.spec.branched_from().is_some() {
        return missing("was branched then; it is made alone");
    }
    match record.companions.len() {
        0 => return missing("an earlier version did not record which ones"),
        1..=MAX_TOGETHER => {}
        _ => return missing("those recorded are too many"),
    }
    let mut specs = Vec::new();
    for id in &record.companions {
        match history::read(home, id) {
            Ok(companion) => specs.push(companion.spec),
            Err(_) => return missing(&format!("{} is not in history", output::one_line(id))),
        }
    }
    let is_one_batch = specs.iter().any(|spec| spec.id() == record.id)
        && specs
            .windows(2)
            .all(|pair| shares_steps(&pair[0], &pair[1]));
    match is_one_batch {
        true => specs,
        false => missing("those recorded cannot step together"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_precision_is_noticed() {
        for (provider, is_tf32_allowed, word) in [
            ("cuda:0 tf32", false, Some("set ZIGGURAT_TF32=1")),
            ("cuda:0", true, Some("unset ZIGGURAT_TF32")),
            ("cuda:0 tf32", true, None),
            ("cuda:0", false, None),
            ("cpu", true, None),
        ] {
            let notice = other_precision(provider, is_tf32_allowed);
            assert_eq!(notice.is_some(), word.is_some(), "{provider}");
            assert!(
                notice
                    .unwrap_or_default()
                    .contains(word.unwrap_or_default())
            );
        }
    }
}
