//! The store of runs: one folder a run, `history/<id>/` with `run.json` and `image.png`. A folder appears whole or not at all.

use super::{Error, Spec, export};
use crate::home::Home;
use image::RgbImage;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// Largest `run.json` that is read.
const MAX_RECORD: u64 = 16 << 20;

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All steps were taken.
    Finished,
    /// The user stopped it.
    Stopped,
}

/// What is known of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    pub spec: Spec,
    /// Where it ran: `cpu`, `cuda:0`, …
    pub provider: String,
    /// Ziggurat's version and ONNX Runtime's.
    pub versions: [String; 2],
    /// The objective of the finished picture.
    pub score: f32,
    /// The probability of the class; only for classes.
    pub probability: Option<f32>,
    /// The objective before each step.
    pub scores: Vec<f32>,
    /// Seconds that the steps took. Runs of one batch share them.
    pub seconds: f64,
    /// How many runs stepped together.
    pub batch: usize,
    pub ended: Ended,
    /// Seconds since 1970 at the end.
    pub time: u64,
}

/// Keeps a run. One of the same id is replaced.
///
/// # Errors
/// [`Error::File`].
pub fn save(home: &Home, record: &Record, picture: &RgbImage) -> Result<PathBuf, Error> {
    let history = home.history();
    fs::create_dir_all(&history).map_err(Error::file(&history))?;
    let folder = history.join(&record.id);
    let making = tempfile::Builder::new()
        .prefix(".making-")
        .tempdir_in(&history)
        .map_err(Error::file(&history))?;
    write_pair(
        &making.path().join("image.png"),
        &making.path().join("run.json"),
        record,
        picture,
    )?;
    // A folder cannot replace one that is not empty: the old one steps aside first.
    if folder.exists() {
        let aside = making.path().join("old");
        fs::rename(&folder, &aside).map_err(Error::file(&folder))?;
        let new = history.join(format!(".new-{}", record.id));
        let _ = fs::remove_dir_all(&new);
        fs::create_dir(&new).map_err(Error::file(&new))?;
        for name in ["image.png", "run.json"] {
            fs::rename(making.path().join(name), new.join(name)).map_err(Error::file(&new))?;
        }
        fs::rename(&new, &folder).map_err(Error::file(&folder))?;
    } else {
        let path = making.keep();
        fs::rename(&path, &folder).map_err(Error::file(&folder))?;
        open_to_others(&folder).map_err(Error::file(&folder))?;
    }
    Ok(folder.join("image.png"))
}

fn open_to_others(folder: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Writes a run's picture and record to two files.
///
/// # Errors
/// [`Error::File`].
pub fn write_pair(
    image: &Path,
    json: &Path,
    record: &Record,
    picture: &RgbImage,
) -> Result<(), Error> {
    export::write(image, &export::png(picture, &record.spec))?;
    let text =
        serde_json::to_string_pretty(record).expect("a record can always be written as JSON");
    export::write(json, text.as_bytes())
}

/// The finished run of this spec on this provider, if there is one, and its picture's file. What cannot be read does not count.
pub fn find(home: &Home, spec: &Spec, provider: &str) -> Option<(Record, PathBuf)> {
    let folder = home.history().join(spec.id());
    let path = folder.join("run.json");
    if fs::metadata(&path).ok()?.len() > MAX_RECORD {
        return None;
    }
    let record: Record = serde_json::from_str(&fs::read_to_string(&path).ok()?).ok()?;
    let image = folder.join("image.png");
    let answers = record.ended == Ended::Finished
        && record.id == spec.id()
        && record.provider == provider
        && image.is_file();
    answers.then_some((record, image))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ascent::{Kind, Objective, Settings, Unit};

    fn record(ended: Ended, score: f32) -> Record {
        let objective = Objective {
            kind: Kind::Class,
            value: "logits".into(),
        };
        let target = ("flamingo", objective, Unit::default());
        let spec = Spec::new(("m", "h"), target, 1, Settings::default());
        Record {
            id: spec.id(),
            spec,
            provider: "cpu".into(),
            versions: ["0".into(), "1".into()],
            score,
            probability: Some(0.5),
            scores: vec![0.0, 1.0],
            seconds: 1.0,
            batch: 1,
            ended,
            time: 0,
        }
    }

    #[test]
    fn a_finished_run_answers_for_its_spec_and_a_stopped_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let picture = RgbImage::new(4, 4);
        let stopped = record(Ended::Stopped, 1.0);
        assert!(find(&home, &stopped.spec, "cpu").is_none());
        save(&home, &stopped, &picture).unwrap();
        assert!(find(&home, &stopped.spec, "cpu").is_none());
        let finished = record(Ended::Finished, 2.0);
        let image = save(&home, &finished, &picture).unwrap();
        assert_eq!(
            find(&home, &finished.spec, "cpu"),
            Some((finished.clone(), image))
        );
        assert!(find(&home, &finished.spec, "cuda:0").is_none());
        let left: Vec<_> = fs::read_dir(home.history()).unwrap().collect();
        assert_eq!(left.len(), 1);
    }
}
