//! Queues on disk: one file per process, locked while the process lives. Queues of processes that ended are offered to
//! the next one.

use super::{Job, MAX_JOBS, Queue};
use crate::home::Home;
use crate::runs::{Error, write_file};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Maximum size of a queue file that is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// A lock without a queue may be about to get one; after this long it will not.
const LEFT_OVER: Duration = Duration::from_secs(3600);

/// What a queue file holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<Jobs> {
    version: u32,
    jobs: Jobs,
}

const VERSION: u32 = 1;

/// The place on disk of one process's queue.
#[derive(Debug)]
pub struct QueueFile {
    path: PathBuf,
    lock_path: PathBuf,
    /// Held, not read: the lock goes with it, even if the process is killed.
    _lock: File,
}

impl QueueFile {
    /// Makes a place for this process's queue. It holds nothing yet.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be written to.
    pub fn open(home: &Home) -> Result<Self, Error> {
        let folder = home.queues();
        fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let (lock, lock_path) = tempfile::Builder::new()
            .prefix("queue-")
            .suffix(".lock")
            .tempfile_in(&folder)
            .map_err(Error::file(&folder))?
            .keep()
            .map_err(|problem| Error::file(&folder)(problem.error))?;
        lock.lock().map_err(Error::file(&lock_path))?;
        Ok(Self {
            path: lock_path.with_extension("json"),
            lock_path,
            _lock: lock,
        })
    }

    /// Writes the queue atomically. Running jobs are written as such: if this process is killed, they continue first.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Full`]; the file is then unchanged.
    pub fn save(&self, queue: &Queue) -> Result<(), Error> {
        if queue.is_empty() {
            return remove(&self.path);
        }
        let content = Content {
            version: VERSION,
            jobs: queue.jobs(),
        };
        let text = serde_json::to_vec(&content).expect("a queue can always be written as JSON");
        write_file(&self.path, &text)
    }
}

/// Whether a queue other than `own` holds something whose process lives, or has not ended yet: a process that is killed
/// keeps its lock until its memory is given back.
pub fn others_hold(home: &Home, own: &QueueFile) -> bool {
    let listing = fs::read_dir(home.queues()).into_iter().flatten();
    let paths = listing.flatten().map(|entry| entry.path());
    let mut locks = paths.filter(|path| {
        path.extension() == Some(OsStr::new("lock"))
            && *path != own.lock_path
            && path.with_extension("json").exists()
    });
    locks.any(|path| {
        let lock = crate::files::open(&path);
        lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    })
}

/// The ids of all runs in queues on disk, of this process and others, and of the runs that they were branched from.
///
/// # Errors
/// [`Error::File`], [`Error::Damaged`] if a queue cannot be read.
pub fn queued_runs(home: &Home) -> Result<HashSet<String>, Error> {
    let folder = home.queues();
    let listing = match fs::read_dir(&folder) {
        Ok(listing) => listing,
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(problem) => return Err(Error::file(&folder)(problem)),
    };
    let mut runs = HashSet::new();
    for entry in listing {
        let path = entry.map_err(Error::file(&folder))?.path();
        if path.extension() != Some(OsStr::new("json")) {
            continue;
        }
        let (queue, _) = read(&path)?;
        for job in queue.jobs() {
            runs.extend(job.spec.branched_from().map(|parent| parent.id));
            runs.insert(job.run.clone());
        }
    }
    Ok(runs)
}

impl Drop for QueueFile {
    /// A queue that holds something stays for the next process; an empty one leaves no trace.
    fn drop(&mut self) {
        if !self.path.exists() {
            // What stays behind here does no harm and is removed later.
            let _ = fs::remove_file(&self.lock_path);
        }
    }
}

/// A queue whose process has ended. While this exists, no other process is offered it.
#[derive(Debug)]
pub struct Orphan {
    /// What it holds.
    pub queue: Queue,
    /// How many more its file holds, for which no queue has room.
    surplus: usize,
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl Orphan {
    /// Its jobs, in order, for [`Queue::restore`].
    pub fn jobs(&self) -> impl Iterator<Item = Job> + '_ {
        self.queue.jobs().iter().cloned()
    }

    /// The error of a file that holds more jobs than a queue may have.
    fn remark(&self) -> Option<Error> {
        (self.surplus > 0).then(|| Error::Damaged {
            path: self.path.clone(),
            why: format!(
                "it holds {} runs more than the {MAX_JOBS} that a queue takes; they are not queued, and the file is kept as {}",
                self.surplus,
                self.kept().display()
            ),
        })
    }

    /// Where a file goes that holds more than was taken over.
    fn kept(&self) -> PathBuf {
        self.path.with_extension("kept.json")
    }

    /// Removes it from disk: its jobs were taken over and saved, or are not wanted. A file that holds more is kept.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn remove(self) -> Result<(), Error> {
        match self.surplus {
            0 => remove(&self.path)?,
            _ => fs::rename(&self.path, self.kept()).map_err(Error::file(&self.path))?,
        }
        remove(&self.lock_path)
    }
}

/// The queues that processes left behind, oldest first, and the problems of these and of those that cannot be read.
/// Together they hold no more jobs than one queue: the others are left for the next process.
///
/// # Errors
/// [`Error::File`] if the folder cannot be listed.
pub fn orphans(home: &Home) -> Result<(Vec<Orphan>, Vec<Error>), Error> {
    let folder = home.queues();
    let listing = match fs::read_dir(&folder) {
        Ok(listing) => listing,
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Default::default());
        }
        Err(problem) => return Err(Error::file(&folder)(problem)),
    };
    let mut locks: Vec<(SystemTime, PathBuf)> = listing
        .flatten()
        .filter(|entry| entry.path().extension() == Some(OsStr::new("lock")))
        .map(|entry| (changed(&entry.path()), entry.path()))
        .collect();
    locks.sort();
    let (mut orphans, mut problems) = (Vec::<Orphan>::new(), Vec::new());
    let mut room = MAX_JOBS;
    for (time, lock_path) in locks {
        match orphan(&lock_path, time) {
            Ok(Some(found)) if found.queue.jobs().len() > room => {
                let count = found.queue.jobs().len();
                problems.push(Error::Damaged {
                    path: found.path.clone(),
                    why: format!("its {count} runs exceed the queue; the next start offers them"),
                });
            }
            Ok(Some(found)) => {
                room -= found.queue.jobs().len();
                problems.extend(found.remark());
                orphans.push(found);
            }
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    Ok((orphans, problems))
}

fn orphan(lock_path: &Path, time: SystemTime) -> Result<Option<Orphan>, Error> {
    let lock = match crate::files::open(lock_path) {
        Ok(lock) => lock,
        // Its process has just ended.
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(problem) => return Err(Error::file(lock_path)(problem)),
    };
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(problem)) => return Err(Error::file(lock_path)(problem)),
    }
    let path = lock_path.with_extension("json");
    if !path.exists() {
        if time.elapsed().is_ok_and(|age| age > LEFT_OVER) {
            remove(lock_path)?;
        }
        return Ok(None);
    }
    let (queue, surplus) = read(&path)?;
    Ok(Some(Orphan {
        queue,
        surplus,
        path,
        lock_path: lock_path.into(),
        _lock: lock,
    }))
}

/// Reads an untrusted queue file. Also returns how many jobs exceed [`MAX_JOBS`].
fn read(path: &Path) -> Result<(Queue, usize), Error> {
    let damaged = |why: String| Error::Damaged {
        path: path.into(),
        why: format!("this queue cannot be read ({why}); remove the file to be rid of it"),
    };
    let file = crate::files::open(path).map_err(Error::file(path))?;
    let mut text = Vec::new();
    let taken = file.take(MAX_BYTES + 1).read_to_end(&mut text);
    taken.map_err(Error::file(path))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(damaged(format!(
            "it is larger than {} MiB",
            MAX_BYTES >> 20
        )));
    }
    let content: Content<Vec<Job>> =
        serde_json::from_slice(&text).map_err(|problem| damaged(problem.to_string()))?;
    if content.version != VERSION {
        return Err(damaged("another version of Ziggurat wrote it".into()));
    }
    Ok(Queue::from_jobs(content.jobs))
}

fn changed(path: &Path) -> SystemTime {
    let time = fs::metadata(path).and_then(|data| data.modified());
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Removes a file, if it exists.
fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(problem) if problem.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file(path)(problem))
        }
        _ => Ok(()),
    }
}
