//! Saves runs to a folder of pictures that is the user's own: PNG and JSON under a name that people can read. A file
//! that is there already is never overwritten.

use super::history;
use super::{Error, Record};
use crate::files::NewFile;
use crate::home::Home;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Longest part of a target's or a model's name in a file name, in characters.
const MAX_NAME: usize = 60;

/// Most runs of one name; beyond this something is wrong.
const MAX_NUMBER: usize = 1000;

/// Where a favourite was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Favourite {
    pub picture: PathBuf,
    pub record: PathBuf,
    /// Whether both files were there already, with the same content.
    pub known: bool,
}

/// Marks the run `id` as a favourite and saves its picture and record to `folder`, which is made if need be.
///
/// They are called `<target>-<model>-<six digits of the id>`, with `-2`, `-3`, … behind it where another file has the
/// name.
///
/// # Errors
/// Those of [`history::read`] and [`history::set_favourite`]; [`Error::File`]. Files are saved before the run is
/// marked.
pub fn keep(home: &Home, id: &str, folder: &Path) -> Result<Favourite, Error> {
    let record = history::read(home, id)?;
    let saved = save(home, &record, folder)?;
    history::set_favourite(home, id, true)?;
    Ok(saved)
}

/// Saves a run's picture and record to `folder` as [`keep`] does, but does not mark it.
///
/// # Errors
/// [`Error::File`], [`Error::NotAnId`].
pub fn save(home: &Home, record: &Record, folder: &Path) -> Result<Favourite, Error> {
    let image = history::image_path(home, &record.id)?;
    let picture = crate::files::read(&image).map_err(Error::file(&image))?;
    let text = serde_json::to_vec_pretty(record).expect("a record can always be written as JSON");
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let stem = stem(record);
    for number in 1..=MAX_NUMBER {
        let name = match number {
            1 => stem.clone(),
            _ => format!("{stem}-{number}"),
        };
        let files = [
            (folder.join(format!("{name}.png")), &picture),
            (folder.join(format!("{name}.json")), &text),
        ];
        if let Some(known) = place(&files)? {
            let [(picture, _), (record, _)] = files;
            return Ok(Favourite {
                picture,
                record,
                known,
            });
        }
    }
    Err(Error::Export(format!(
        "{}: there are {MAX_NUMBER} files called {stem} already; move some of them away",
        folder.display()
    )))
}

/// A name for a run's files, without an ending: `<target>-<model>-<six digits of the id>`.
pub fn stem(record: &Record) -> String {
    let spec = &record.spec;
    // Of a path, the file name is enough.
    let model = Path::new(&spec.model).file_stem();
    let model = model.map_or(spec.model.as_str().into(), |stem| stem.to_string_lossy());
    let digits: String = record.id.chars().take(6).collect();
    format!("{}-{}-{digits}", file_name(&spec.target), file_name(&model))
}

/// Text as part of a file name: letters and digits of any script stay, anything else becomes a dash, and it is never
/// hidden.
pub fn file_name(text: &str) -> String {
    let safe = |c: char| {
        if c.is_alphanumeric() || matches!(c, '.' | '_') {
            c
        } else {
            '-'
        }
    };
    let name: String = text.chars().take(MAX_NAME).map(safe).collect();
    name.trim_start_matches('.').to_string()
}

/// Places all files, or none if a name is taken by a file with other content. Returns whether all were there already.
fn place(files: &[(PathBuf, &Vec<u8>)]) -> Result<Option<bool>, Error> {
    let mut missing = Vec::new();
    for (path, bytes) in files {
        match same(path, bytes)? {
            None => missing.push((path, *bytes)),
            Some(true) => {}
            Some(false) => return Ok(None),
        }
    }
    for (path, bytes) in &missing {
        if !create(path, bytes).map_err(Error::file(path))? && same(path, bytes)? != Some(true) {
            return Ok(None);
        }
    }
    Ok(Some(missing.is_empty()))
}

/// Whether the file at `path` holds `bytes`; `None` if there is none.
fn same(path: &Path, bytes: &[u8]) -> Result<Option<bool>, Error> {
    let length = match fs::symlink_metadata(path) {
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(Error::file(path))?,
    };
    if !length.is_file() || length.len() != bytes.len() as u64 {
        return Ok(Some(false));
    }
    Ok(Some(
        crate::files::read(path).map_err(Error::file(path))? == bytes,
    ))
}

/// Writes a file atomically, unless it exists: then `false`.
fn create(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let mut file = NewFile::create(path)?;
    file.write_all(bytes)?;
    file.finish_unless_taken()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::testing::{Fixture, record};

    #[test]
    fn a_favourite_is_saved_under_a_name_that_people_can_read() {
        let fixture = Fixture::new();
        let mut run = record(1);
        run.spec.target = "tiger shark, big".into();
        run.spec.model = "/models/res net.v2.onnx".into();
        let id = fixture.save(&run);
        let folder = fixture.folder.path().join("pictures/ziggurat");
        let saved = keep(&fixture.home, &id, &folder).unwrap();
        let name = format!("tiger-shark--big-res-net.v2-{}.png", &id[..6]);
        assert_eq!(saved.picture, folder.join(name));
        let spec = crate::runs::picture_file::read_spec(&saved.picture).unwrap();
        assert_eq!(spec, run.spec);
        let text = fs::read_to_string(&saved.record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), run);
        assert!(history::entry(&fixture.home, &id).unwrap().favourite);
        assert!(!saved.known);
        // Saved again, it is known; nothing new appears.
        assert!(keep(&fixture.home, &id, &folder).unwrap().known);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let fixture = Fixture::new();
        let id = fixture.save(&record(1));
        let folder = fixture.folder.path().join("pictures");
        fs::create_dir(&folder).unwrap();
        let taken = folder.join(format!("flamingo-m-{}.png", &id[..6]));
        fs::write(&taken, "a holiday").unwrap();
        let saved = keep(&fixture.home, &id, &folder).unwrap();
        assert_eq!(fs::read_to_string(&taken).unwrap(), "a holiday");
        assert!(saved.picture.to_str().unwrap().ends_with("-2.png"));
        assert!(saved.record.to_str().unwrap().ends_with("-2.json"));
        // A link that leads nowhere counts as taken too.
        #[cfg(unix)]
        {
            fs::remove_file(&taken).unwrap();
            std::os::unix::fs::symlink("nowhere", &taken).unwrap();
            let again = keep(&fixture.home, &id, &folder).unwrap();
            assert!(again.known && again.picture == saved.picture);
        }
    }

    #[test]
    fn a_lost_half_of_a_pair_is_added() {
        let fixture = Fixture::new();
        let id = fixture.save(&record(1));
        let folder = fixture.folder.path().join("pictures");
        let saved = keep(&fixture.home, &id, &folder).unwrap();
        fs::remove_file(&saved.record).unwrap();
        let again = keep(&fixture.home, &id, &folder).unwrap();
        assert_eq!(again.picture, saved.picture);
        assert!(!again.known && again.record.is_file());
    }

    #[test]
    fn hostile_names_stay_in_the_folder() {
        let name = file_name("../../.bashrc\u{1b}[2J/\0x");
        assert!(
            !name.contains(['/', '\0', '\u{1b}']) && !name.starts_with('.'),
            "{name}"
        );
        assert_eq!(file_name("größe 3"), "größe-3");
        assert!(file_name(&"x".repeat(10_000)).len() <= MAX_NAME);
    }
}
