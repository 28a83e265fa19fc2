//! Names and paths in the history folder, and how a run's folder is replaced in one rename.

use super::lock::Lock;
use crate::home::Home;
use crate::runs::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(super) const RECORD: &str = "run.json";
pub(super) const IMAGE: &str = "image.png";
pub(super) const FRAMES: &str = "frames.zip";
pub(super) const FAVOURITE: &str = "favourite";

/// Prefixes of temporary folders; after an hour they are abandoned.
pub(super) const MAKING: &str = ".making-";
pub(super) const PURGING: &str = ".purging-";
/// Prefix of a run's former folder while a new one takes its place.
pub(super) const OLD: &str = ".old-";
/// Holds the locks of runs that are being made.
pub(super) const CLAIMS: &str = ".claims";
/// Holds removed runs.
pub(super) const REMOVED: &str = ".removed";

/// Digits of a run's id.
const DIGITS: usize = 16;

/// Maximum number of candidates that a message names.
const CANDIDATES: usize = 8;

/// Whether `text` is an id: 16 hexadecimal digits in lower case. Anything else never becomes a path.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == DIGITS && is_prefix(text)
}

fn is_prefix(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= DIGITS
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The folder of the run `id`, whether or not it exists.
///
/// # Errors
/// [`Error::NotAnId`].
pub(super) fn folder(home: &Home, id: &str) -> Result<PathBuf, Error> {
    if is_id(id) {
        Ok(home.history().join(id))
    } else {
        Err(Error::NotAnId(id.into()))
    }
}

/// The folder of an existing run; restores it first if a process was killed while it replaced it.
///
/// # Errors
/// [`Error::NotAnId`], [`Error::NoRun`], and those of [`Lock::take`] and [`recover`].
pub(super) fn existing(home: &Home, id: &str) -> Result<PathBuf, Error> {
    let folder = folder(home, id)?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let history = home.history();
    if aside(&history, id).is_dir() {
        let _lock = Lock::take(&history)?;
        recover(&history, id)?;
    }
    // If nothing waits aside, another program may have ended its replacement between the two looks.
    if folder.is_dir() {
        Ok(folder)
    } else {
        Err(Error::NoRun(id.into()))
    }
}

/// The result of `read` for the folder of an existing run. If a file is missing because another process is replacing
/// the run, it reads again.
///
/// # Errors
/// Those of [`existing`] and of `read`.
pub(super) fn reading<T>(
    home: &Home,
    id: &str,
    read: impl Fn(&Path) -> Result<T, Error>,
) -> Result<T, Error> {
    let folder = existing(home, id)?;
    match read(&folder) {
        Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let _lock = Lock::take(&home.history())?;
            recover(&home.history(), id)?;
            read(&folder)
        }
        other => other,
    }
}

/// The picture of the run `id`.
///
/// # Errors
/// [`Error::NotAnId`].
pub fn image_path(home: &Home, id: &str) -> Result<PathBuf, Error> {
    Ok(folder(home, id)?.join(IMAGE))
}

/// The picture of the run `id` of the history in `folder`.
pub fn image_in(folder: &Path, id: &str) -> PathBuf {
    folder.join(id).join(IMAGE)
}

/// The record of the run `id`.
///
/// # Errors
/// [`Error::NotAnId`].
pub fn record_path(home: &Home, id: &str) -> Result<PathBuf, Error> {
    Ok(folder(home, id)?.join(RECORD))
}

/// The animation of the run `id`; the file is missing if no frames were kept.
///
/// # Errors
/// [`Error::NotAnId`].
pub fn frames_path(home: &Home, id: &str) -> Result<PathBuf, Error> {
    Ok(folder(home, id)?.join(FRAMES))
}

/// The ids of all runs, in no particular order; those of a history that does not exist yet are none.
///
/// # Errors
/// [`Error::File`].
pub(super) fn ids(home: &Home) -> Result<Vec<String>, Error> {
    let names = names(&home.history())?;
    Ok(names.into_iter().filter(|name| is_id(name)).collect())
}

/// All names in a folder that can be text; none if the folder does not exist.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let list = match fs::read_dir(folder) {
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(Error::file(folder))?,
    };
    let mut names = Vec::new();
    for entry in list {
        let name = entry.map_err(Error::file(folder))?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    Ok(names)
}

/// The one run whose id begins with `prefix`.
///
/// # Errors
/// [`Error::NotAnId`], [`Error::NoRun`], or [`Error::Ambiguous`], which names candidates.
pub fn resolve(home: &Home, prefix: &str) -> Result<String, Error> {
    let key = prefix.to_ascii_lowercase();
    if !is_prefix(&key) {
        return Err(Error::NotAnId(prefix.into()));
    }
    if is_id(&key) {
        return existing(home, &key).map(|_| key);
    }
    let mut found = ids(home)?;
    found.retain(|id| id.starts_with(&key));
    match found.as_slice() {
        [] => Err(Error::NoRun(prefix.into())),
        [one] => Ok(one.clone()),
        _ => {
            found.sort();
            let more = if found.len() > CANDIDATES {
                ", …"
            } else {
                ""
            };
            found.truncate(CANDIDATES);
            Err(Error::Ambiguous {
                prefix: prefix.into(),
                candidates: format!("{}{more}", found.join(", ")),
            })
        }
    }
}

/// Where a run's folder waits while a new one takes its place.
pub(super) fn aside(history: &Path, id: &str) -> PathBuf {
    history.join(format!("{OLD}{id}"))
}

/// Ends a replacement that a killed program began: the former run comes back if the new one is not there. Only under
/// the lock.
///
/// # Errors
/// [`Error::File`].
pub(super) fn recover(history: &Path, id: &str) -> Result<(), Error> {
    let (old, folder) = (aside(history, id), history.join(id));
    if !old.is_dir() {
        return Ok(());
    }
    if folder.is_dir() {
        fs::remove_dir_all(&old).map_err(Error::file(&old))
    } else {
        fs::rename(&old, &folder).map_err(Error::file(&folder))
    }
}

/// Puts the folder `new` in the place of the run `id`, which may exist. Only under the lock, after [`recover`].
///
/// # Errors
/// [`Error::File`]; then the run is as it was.
pub(super) fn replace(history: &Path, id: &str, new: &Path) -> Result<(), Error> {
    let (old, folder) = (aside(history, id), history.join(id));
    let existed = folder.is_dir();
    if existed {
        fs::rename(&folder, &old).map_err(Error::file(&folder))?;
    }
    if let Err(problem) = fs::rename(new, &folder) {
        recover(history, id)?;
        return Err(Error::file(&folder)(problem));
    }
    sync(history).map_err(Error::file(history))?;
    if existed {
        // What is left of it, if anything, is cleaned up later: the new run is safe.
        let _ = fs::remove_dir_all(&old);
    }
    Ok(())
}

/// Makes the names in a folder durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::testing::{Fixture, picture, record};

    #[test]
    fn only_sixteen_hexadecimal_digits_become_a_path() {
        let home = Home::at(Path::new("/z"));
        assert!(folder(&home, "0123456789abcdef").is_ok());
        for text in [
            "",
            "..",
            "../../etc/passwd",
            "0123456789ABCDEF",
            "0123456789abcde/",
        ] {
            assert!(
                matches!(folder(&home, text), Err(Error::NotAnId(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_prefix_is_enough_while_it_fits_one_run() {
        let fixture = Fixture::new();
        let ids: Vec<String> = (0..40).map(|seed| fixture.save(&record(seed))).collect();
        assert_eq!(resolve(&fixture.home, &ids[3]).unwrap(), ids[3]);
        assert_eq!(
            resolve(&fixture.home, &ids[3][..12].to_uppercase()).unwrap(),
            ids[3]
        );
        // Forty runs share sixteen first digits.
        let twice = ids.iter().find(|id| {
            let like = |other: &&String| other[..1] == id[..1];
            ids.iter().filter(like).count() > 1
        });
        let prefix = &twice.unwrap()[..1];
        let problem = resolve(&fixture.home, prefix).unwrap_err();
        assert!(
            problem.to_string().contains(twice.unwrap().as_str()),
            "{problem}"
        );
        assert!(matches!(
            resolve(&fixture.home, "ffffffffffff"),
            Err(Error::NoRun(_))
        ));
        assert!(matches!(
            resolve(&fixture.home, "../x"),
            Err(Error::NotAnId(_))
        ));
    }

    #[test]
    fn a_run_that_a_killed_process_was_replacing_is_restored() {
        let fixture = Fixture::new();
        let id = fixture.save(&record(1));
        let folder = fixture.home.history().join(&id);
        fs::rename(&folder, aside(&fixture.home.history(), &id)).unwrap();
        assert_eq!(existing(&fixture.home, &id).unwrap(), folder);
        assert!(folder.join(IMAGE).is_file());
        // Once the new folder is there, what waits aside is only to be deleted.
        fs::create_dir(aside(&fixture.home.history(), &id)).unwrap();
        crate::runs::history::save(&fixture.home, &record(1), &picture(), &[]).unwrap();
        assert!(!aside(&fixture.home.history(), &id).exists());
    }

    #[test]
    fn a_replacement_that_fails_leaves_the_run_as_it_was() {
        let fixture = Fixture::new();
        let id = fixture.save(&record(1));
        let history = fixture.home.history();
        assert!(replace(&history, &id, &history.join("none")).is_err());
        assert!(history.join(&id).join(RECORD).is_file());
        assert!(!aside(&history, &id).exists());
    }
}
