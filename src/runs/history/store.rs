//! Saves, finds and reads single runs.

use super::lock::Lock;
use super::paths::{self, FAVOURITE, FRAMES, IMAGE, MAKING, RECORD};
use super::{EndReason, HistoryEntry, Record};
use crate::home::Home;
use crate::runs::judging::Verdict;
use crate::runs::{Error, Spec, frames as animation, picture_file, write_file};
use image::RgbImage;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Largest `run.json` that is read.
pub(super) const MAX_RECORD: u64 = 16 << 20;

/// Stores a run, with the frames of its animation if there are any (see [`frames`](animation)), and returns its
/// picture's file.
///
/// A run of the same id is replaced; whether it is a favourite stays. But a stopped run never takes the place of a
/// finished one: then the finished one is kept, and the new one is not.
///
/// # Errors
/// [`Error::File`], [`Error::NotAnId`], [`Error::Busy`]; then nothing has changed.
pub fn save(
    home: &Home,
    record: &Record,
    picture: &RgbImage,
    frames: &[RgbImage],
) -> Result<PathBuf, Error> {
    let history = home.history();
    let folder = paths::folder(home, &record.id)?;
    fs::create_dir_all(&history).map_err(Error::file(&history))?;
    let making = making(&history).map_err(Error::file(&history))?;
    let new = making.path();
    write_pair(&new.join(IMAGE), &new.join(RECORD), record, picture)?;
    if !frames.is_empty() {
        write_file(&new.join(FRAMES), &animation::pack(frames)?)?;
    }
    paths::sync(new).map_err(Error::file(new))?;

    let _lock = Lock::take(&history)?;
    paths::recover(&history, &record.id)?;
    if record.ended == EndReason::Stopped && holds_finished(&folder) {
        return Ok(folder.join(IMAGE));
    }
    if folder.join(FAVOURITE).exists() {
        fs::write(new.join(FAVOURITE), "").map_err(Error::file(new))?;
    }
    paths::replace(&history, &record.id, new)?;
    // The folder has its own name now: nothing is left to clean up.
    let _ = making.keep();
    Ok(folder.join(IMAGE))
}

/// A temporary folder to prepare a run in.
fn making(history: &Path) -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(MAKING);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755));
    builder.tempdir_in(history)
}

fn holds_finished(folder: &Path) -> bool {
    let finished =
        read_record(&folder.join(RECORD)).is_ok_and(|run| run.ended == EndReason::Finished);
    finished && folder.join(IMAGE).is_file()
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
    write_file(image, &picture_file::encode(picture, &record.spec))?;
    write_file(json, &self::json(record))
}

/// The finished run of this spec on this provider, if there is one, and its picture's file. What cannot be read does
/// not count.
pub fn find(home: &Home, spec: &Spec, provider: &str) -> Option<(Record, PathBuf)> {
    find_by_any(home, spec).filter(|(record, _)| record.provider == provider)
}

/// As [`find`], on whichever provider it ran.
pub fn find_by_any(home: &Home, spec: &Spec) -> Option<(Record, PathBuf)> {
    let id = spec.id();
    let record = read(home, &id).ok()?;
    let image = paths::image_path(home, &id).ok()?;
    let is_finished = record.ended == EndReason::Finished && image.is_file();
    is_finished.then_some((record, image))
}

/// All that is known of the run `id`.
///
/// # Errors
/// [`Error::NotAnId`], [`Error::NoRun`], [`Error::File`], [`Error::Damaged`].
pub fn read(home: &Home, id: &str) -> Result<Record, Error> {
    let record = paths::reading(home, id, |folder| read_record(&folder.join(RECORD)))?;
    if record.id == id {
        Ok(record)
    } else {
        Err(Error::Damaged {
            path: paths::folder(home, id)?.join(RECORD),
            why: format!(
                "it is the record of another run, {}",
                crate::text::quoted(&record.id)
            ),
        })
    }
}

/// The run `id` in few words.
///
/// # Errors
/// As [`read`].
pub fn entry(home: &Home, id: &str) -> Result<HistoryEntry, Error> {
    let record = read(home, id)?;
    let favourite = paths::folder(home, id)?.join(FAVOURITE).exists();
    Ok(HistoryEntry::from_record(&record, favourite))
}

/// Marks the run `id` as a favourite, or takes the mark away. Either may hold already.
///
/// # Errors
/// [`Error::NotAnId`], [`Error::NoRun`], [`Error::File`], [`Error::Busy`].
pub fn set_favourite(home: &Home, id: &str, favourite: bool) -> Result<(), Error> {
    let folder = paths::existing(home, id)?;
    let _lock = Lock::take(&home.history())?;
    let mark = folder.join(FAVOURITE);
    let done = if favourite {
        fs::write(&mark, "")
    } else {
        fs::remove_file(&mark)
    };
    match done {
        Err(problem) if !favourite && problem.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::file(&mark)),
    }
}

/// Adds verdicts to the run `id`, if it exists; earlier ones of the same judges are replaced. Its id, its spec and its
/// picture stay as they are.
///
/// # Errors
/// As [`read`], and [`Error::Busy`].
pub fn add_verdicts(home: &Home, id: &str, verdicts: &[Verdict]) -> Result<(), Error> {
    let folder = paths::existing(home, id)?;
    let _lock = Lock::take(&home.history())?;
    let path = folder.join(RECORD);
    let mut record = read_record(&path)?;
    let is_older = |old: &Verdict| verdicts.iter().all(|new| new.model != old.model);
    record.verdicts.retain(is_older);
    record.verdicts.extend_from_slice(verdicts);
    write_file(&path, &json(&record))
}

/// A record as it is written to files.
fn json(record: &Record) -> Vec<u8> {
    serde_json::to_vec_pretty(record).expect("a record can always be written as JSON")
}

/// Reads a record, however large the file claims to be.
pub(super) fn read_record(path: &Path) -> Result<Record, Error> {
    let bytes = read_bounded(path)?;
    let record: Result<Record, _> = serde_json::from_slice(&bytes);
    let mut record = record.map_err(|problem| Error::Damaged {
        path: path.into(),
        why: problem.to_string(),
    })?;
    record.verdicts.retain(Verdict::is_sound);
    Ok(record)
}

/// The bytes of a `run.json`.
pub(super) fn read_bounded(path: &Path) -> Result<Vec<u8>, Error> {
    let file = crate::files::open(path).map_err(Error::file(path))?;
    let mut bytes = Vec::with_capacity(8 << 10);
    file.take(MAX_RECORD + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::file(path))?;
    if bytes.len() as u64 > MAX_RECORD {
        Err(Error::Damaged {
            path: path.into(),
            why: format!("it is larger than {} MiB", MAX_RECORD >> 20),
        })
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::testing::{Fixture, picture, record};
    use crate::runs::judging::testing::verdict;

    fn stopped(score: f32) -> Record {
        Record {
            ended: EndReason::Stopped,
            score,
            ..record(1)
        }
    }

    #[test]
    fn a_finished_run_answers_for_its_spec_and_a_stopped_one_does_not() {
        let fixture = Fixture::new();
        let (home, stopped) = (&fixture.home, stopped(1.0));
        assert!(find(home, &stopped.spec, "cpu").is_none());
        fixture.save(&stopped);
        assert!(find(home, &stopped.spec, "cpu").is_none());
        assert_eq!(read(home, &stopped.id).unwrap(), stopped);
        let finished = record(1);
        let image = save(home, &finished, &picture(), &[]).unwrap();
        assert_eq!(
            find(home, &finished.spec, "cpu"),
            Some((finished.clone(), image))
        );
        assert!(find(home, &finished.spec, "cuda:0").is_none());
        assert!(find_by_any(home, &finished.spec).is_some());
        assert_eq!(paths::ids(home).unwrap(), [finished.id]);
    }

    #[test]
    fn a_stopped_run_does_not_replace_a_finished_one() {
        let fixture = Fixture::new();
        let finished = record(1);
        fixture.save(&finished);
        fixture.save(&stopped(9.0));
        assert_eq!(read(&fixture.home, &finished.id).unwrap(), finished);
    }

    #[test]
    fn a_favourite_that_is_computed_again_stays_one() {
        let fixture = Fixture::new();
        let id = fixture.save(&record(1));
        set_favourite(&fixture.home, &id, false).unwrap();
        assert!(!entry(&fixture.home, &id).unwrap().favourite);
        set_favourite(&fixture.home, &id, true).unwrap();
        fixture.save(&record(1));
        assert!(entry(&fixture.home, &id).unwrap().favourite);
        set_favourite(&fixture.home, &id, false).unwrap();
        assert!(!entry(&fixture.home, &id).unwrap().favourite);
        assert!(matches!(
            set_favourite(&fixture.home, "00000000000000ff", true),
            Err(Error::NoRun(_))
        ));
    }

    #[test]
    fn verdicts_are_added_to_a_run_and_replace_those_of_the_same_judge() {
        let fixture = Fixture::new();
        let first = record(1);
        let id = fixture.save(&first);
        set_favourite(&fixture.home, &id, true).unwrap();
        let (one, two) = (verdict("a", Some(0.25)), verdict("b", None));
        add_verdicts(&fixture.home, &id, &[one, two.clone()]).unwrap();
        let again = verdict("a", Some(0.75));
        add_verdicts(&fixture.home, &id, std::slice::from_ref(&again)).unwrap();
        let found = read(&fixture.home, &id).unwrap();
        assert_eq!(found.verdicts, [two, again]);
        assert_eq!((&found.id, &found.spec), (&first.id, &first.spec));
        let entry = entry(&fixture.home, &id).unwrap();
        assert!(entry.favourite && entry.judged() == Some(0.75));
        assert!(
            crate::runs::history::verify(&fixture.home, &|_, _| {})
                .unwrap()
                .damaged
                .is_empty()
        );
        let gone = add_verdicts(&fixture.home, "00000000000000ff", &[]);
        assert!(matches!(gone, Err(Error::NoRun(_))));
    }

    #[test]
    fn a_record_without_verdicts_is_read_and_written_as_before() {
        let record = record(1);
        let text = String::from_utf8(json(&record)).unwrap();
        assert!(!text.contains("verdicts"));
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }

    #[test]
    fn nothing_is_left_behind_and_others_may_read_it() {
        let fixture = Fixture::new();
        let id = fixture.save(&record(1));
        fixture.save(&record(1));
        let mut names = paths::names(&fixture.home.history()).unwrap();
        names.sort();
        assert_eq!(names, [".lock", &id]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let folder = fs::metadata(fixture.home.history().join(&id)).unwrap();
            assert_eq!(folder.permissions().mode() & 0o055, 0o055);
        }
    }

    #[test]
    fn the_record_of_another_run_is_an_error() {
        let fixture = Fixture::new();
        let (one, two) = (fixture.save(&record(1)), fixture.save(&record(2)));
        let path = |id: &str| fixture.home.history().join(id).join(RECORD);
        fs::copy(path(&one), path(&two)).unwrap();
        let problem = read(&fixture.home, &two).unwrap_err().to_string();
        assert!(problem.contains("another run"), "{problem}");
        fs::write(path(&two), "{").unwrap();
        assert!(matches!(
            read(&fixture.home, &two),
            Err(Error::Damaged { .. })
        ));
    }

    #[test]
    fn two_that_save_the_same_run_at_once_both_succeed() {
        let fixture = Fixture::new();
        std::thread::scope(|scope| {
            for provider in ["cpu", "cuda:0", "cuda:1"] {
                let home = &fixture.home;
                scope.spawn(move || {
                    let record = Record {
                        provider: provider.into(),
                        ..record(1)
                    };
                    for _ in 0..20 {
                        save(home, &record, &picture(), &[]).unwrap();
                        assert!(read(home, &record.id).is_ok());
                    }
                });
            }
        });
        assert_eq!(paths::names(&fixture.home.history()).unwrap().len(), 2);
    }
}
