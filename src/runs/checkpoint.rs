//! Checkpoints: the state of a batch between two steps, on disk. After a crash the batch continues from there, to the
//! same pictures.
//!
//! One file per batch in the state folder: a line that names the format, a JSON header, the numbers, and a hash of all
//! of it. Truncated and damaged files are ignored.

mod format;

use super::{Error, Spec, queue, write_file};
use crate::ascent::AscentState;
use crate::home::Home;
use image::RgbImage;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The extension of checkpoint files.
const ENDING: &str = "checkpoint";

/// A checkpoint is removed after this time.
const MAX_AGE: Duration = Duration::from_secs(14 * 24 * 3600);

/// A checkpoint of runs that are in no queue is removed after this time: they were cancelled. Until then, the
/// cancellation can be undone.
const MAX_AGE_UNQUEUED: Duration = Duration::from_secs(3600);

/// A batch between two steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub specs: Vec<Spec>,
    /// The device that computed it: another one would not make the same pictures.
    pub provider: String,
    pub saved: AscentState,
    /// The objective before each step, one list per run.
    pub scores: Vec<Vec<f32>>,
    /// The frames of each run's animation so far, all of one size.
    pub frames: Vec<Vec<RgbImage>>,
    /// The time that the steps took so far.
    pub seconds: f64,
    /// The ids of the runs that step together, if their pictures may depend on that; otherwise empty.
    pub companions: Vec<String>,
    /// The versions of Ziggurat and ONNX Runtime that wrote it, see [`batch::versions`](super::batch::versions): others
    /// may compute other pictures. Empty texts if an earlier version wrote it.
    pub versions: [String; 2],
}

/// Writes a checkpoint; an older one of the same batch is replaced.
///
/// # Errors
/// [`Error::File`], [`Error::Full`]; the older one is then still there.
pub fn write(home: &Home, checkpoint: &Checkpoint) -> Result<(), Error> {
    let folder = home.checkpoints();
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    let bytes = format::encode(checkpoint);
    let path = path(home, &checkpoint.specs, &checkpoint.provider);
    write_file(&path, &bytes)
}

/// The checkpoint of a batch that makes all of `specs` on `provider`. It may make others as well, whose runs were
/// cancelled since, as long as most of it is still wanted.
pub fn find(home: &Home, specs: &[Spec], provider: &str) -> Option<Checkpoint> {
    let wanted = ids(specs);
    let exact = path(home, specs, provider);
    let others = files(home).filter(|path| *path != exact);
    std::iter::once(exact.clone())
        .chain(others)
        .find_map(|path| {
            let (start, mut file) = open(&path)?;
            let header = &start.header;
            if header.provider != provider || !covers(header, &wanted) {
                return None;
            }
            read_rest(&path, start, &mut file)
        })
}

/// The start of a branch: its run, from a checkpoint of its parent at the step where it branches.
pub fn find_parent(home: &Home, branch: &Spec, provider: &str) -> Option<Checkpoint> {
    files(home).find_map(|path| {
        let (start, mut file) = open(&path)?;
        if start.header.provider != provider {
            return None;
        }
        let run = parent_of(&start.header, branch)?;
        let checkpoint = read_rest(&path, start, &mut file)?;
        Some(checkpoint.branch(run, branch))
    })
}

/// The provider on which the checkpoint was written from which a batch of `specs` would continue.
pub fn provider_of(home: &Home, specs: &[Spec]) -> Option<String> {
    let wanted = ids(specs);
    let is_start = |header: &format::Header| match specs {
        [spec] => covers(header, &wanted) || parent_of(header, spec).is_some(),
        _ => covers(header, &wanted),
    };
    files(home).find_map(|path| {
        let (start, _) = open(&path)?;
        is_start(&start.header).then_some(start.header.provider)
    })
}

fn ids(specs: &[Spec]) -> Vec<String> {
    specs.iter().map(Spec::id).collect()
}

/// Whether a checkpoint makes all of `wanted`, and not much else.
fn covers(header: &format::Header, wanted: &[String]) -> bool {
    let made = ids(&header.specs);
    wanted.iter().all(|id| made.contains(id)) && made.len() <= 2 * wanted.len()
}

/// The run from which `branch` continues, if the checkpoint is at that step.
fn parent_of(header: &format::Header, branch: &Spec) -> Option<usize> {
    let from = branch.branched_from()?;
    let mut specs = header.specs.iter();
    let run = specs.position(|spec| spec.id() == from.id)?;
    (header.step() == from.step).then_some(run)
}

/// Opens a checkpoint and reads what it begins with.
fn open(path: &Path) -> Option<(format::Preamble, File)> {
    let mut file = crate::files::open(path).ok()?;
    let start = format::read_start(&mut file).ok()?;
    Some((start, file))
}

fn read_rest(path: &Path, start: format::Preamble, file: &mut File) -> Option<Checkpoint> {
    match format::read_rest(start, file) {
        Ok(checkpoint) => Some(checkpoint),
        Err(why) => {
            tracing::warn!(path = %path.display(), why, "a checkpoint cannot be used");
            None
        }
    }
}

impl Checkpoint {
    /// Run number `run` alone, as the start of `branch`.
    fn branch(self, run: usize, branch: &Spec) -> Self {
        Self {
            specs: vec![branch.clone()],
            saved: self.saved.alone(run),
            scores: vec![self.scores[run].clone()],
            frames: vec![self.frames[run].clone()],
            ..self
        }
    }
}

/// Whether there is a file for the checkpoint of a batch, even if it cannot be read.
pub fn exists(home: &Home, specs: &[Spec], provider: &str) -> bool {
    path(home, specs, provider).exists()
}

/// Removes the checkpoint of a batch that has ended, if there is one.
pub fn remove(home: &Home, specs: &[Spec], provider: &str) {
    let path = path(home, specs, provider);
    if let Err(problem) = fs::remove_file(&path)
        && problem.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %problem, "a checkpoint stays behind");
    }
}

/// Removes the checkpoints of cancelled runs, and those that were not resumed in two weeks.
pub fn sweep(home: &Home) {
    // If a queue cannot be read, its runs are not known to be cancelled.
    let queued = queue::queued_runs(home).ok();
    let entries = fs::read_dir(home.checkpoints()).into_iter().flatten();
    for path in entries.flatten().map(|entry| entry.path()) {
        let time = fs::metadata(&path).and_then(|data| data.modified());
        let age = time
            .ok()
            .and_then(|time| SystemTime::now().duration_since(time).ok());
        let is_cancelled = || {
            let queued = queued.as_ref();
            queued.is_some_and(|queued| {
                read_specs(&path).is_some_and(|specs| {
                    let mut ids = specs.iter().map(Spec::id);
                    ids.all(|id| !queued.contains(&id))
                })
            })
        };
        let is_due = |age| age > MAX_AGE || age > MAX_AGE_UNQUEUED && is_cancelled();
        if age.is_some_and(is_due) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// The runs of a checkpoint; `None` if it cannot be read.
fn read_specs(path: &Path) -> Option<Vec<Spec>> {
    let mut file = crate::files::open(path).ok()?;
    let start = format::read_start(&mut file).ok()?;
    Some(start.header.specs)
}

fn files(home: &Home) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(home.checkpoints()).into_iter().flatten();
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path: &PathBuf| path.extension() == Some(OsStr::new(ENDING)))
}

/// The file of a batch on a device.
fn path(home: &Home, specs: &[Spec], provider: &str) -> PathBuf {
    let mut hasher = blake3::Hasher::new();
    for spec in specs {
        hasher.update(spec.id().as_bytes());
    }
    hasher.update(provider.as_bytes());
    let name = &hasher.finalize().to_hex()[..16];
    home.checkpoints()
        .join(Path::new(name).with_extension(ENDING))
}

#[cfg(test)]
mod tests;
