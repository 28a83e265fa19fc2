//! The file of saved view states, one for all models and all explorers of a user. A damaged file is renamed, and a new
//! one is started. A file that cannot be read now may be intact: it stays.

use super::{SavedModel, SavedState};
use crate::files;
use crate::home::Home;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// Maximum size of the file, in bytes.
const MAX_BYTES: usize = 1 << 20;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    models: Vec<SavedModel>,
}

/// The saved states, and a line about the file's problem, if it has one: then no state is read. A damaged file is
/// renamed.
pub fn load(home: &Home) -> (SavedState, Option<String>) {
    let path = home.explorer();
    if let Ok(saved) = read(&path) {
        return (saved, None);
    }
    // Another explorer may be about to rename it.
    let _lock = path.parent().map(files::lock_folder);
    match read_or_set_aside(&path) {
        Ok(read) => read,
        Err(problem) => {
            let text = format!(
                "{}: {problem}; where you were is not restored",
                path.display()
            );
            (SavedState::default(), Some(text))
        }
    }
}

/// Why nothing was read.
enum Unread {
    /// The system does not allow reading; the file may be intact.
    System(io::Error),
    /// The content is invalid; the reason is one line.
    Damaged(String),
}

/// # Errors
/// If the file cannot be read; it is then left alone.
fn read_or_set_aside(path: &Path) -> io::Result<(SavedState, Option<String>)> {
    match read(path) {
        Ok(saved) => Ok((saved, None)),
        Err(Unread::System(problem)) => Err(problem),
        Err(Unread::Damaged(why)) => Ok((SavedState::default(), Some(set_aside(path, &why)))),
    }
}

/// Renames a damaged file; returns the message about it.
fn set_aside(path: &Path, why: &str) -> String {
    let aside = path.with_extension("damaged.json");
    let shown = path.display();
    match fs::rename(path, &aside) {
        Ok(()) => format!(
            "{shown}: {why}; kept as {}, and a new one begun",
            aside.display()
        ),
        Err(problem) => format!("{shown}: {why}; it is ignored ({problem})"),
    }
}

/// Saves the state of one model beside the others. Concurrent explorers lock the file; of one model, the last to save
/// wins.
///
/// A damaged file is renamed; the result is then a line about it.
///
/// # Errors
/// If writing fails; the file is then unchanged.
pub fn save(home: &Home, model: &SavedModel) -> io::Result<Option<String>> {
    let path = home.explorer();
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let _lock = files::lock_folder(folder);
    let (mut saved, problem) = read_or_set_aside(&path)?;
    saved.put(model.clone());
    let mut text = written(&saved);
    while text.len() > MAX_BYTES && !saved.models.is_empty() {
        saved.models.remove(0);
        text = written(&saved);
    }
    files::write(&path, &text)?;
    Ok(problem)
}

fn written(saved: &SavedState) -> Vec<u8> {
    let content = Content {
        version: VERSION,
        models: saved.models.clone(),
    };
    serde_json::to_vec(&content).expect("names and numbers can always be written as JSON")
}

fn read(path: &Path) -> Result<SavedState, Unread> {
    let file = match files::open(path) {
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {
            return Ok(SavedState::default());
        }
        Err(problem) => return Err(Unread::System(problem)),
        Ok(file) => file,
    };
    let mut text = Vec::new();
    file.take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut text)
        .map_err(Unread::System)?;
    if text.len() > MAX_BYTES {
        let why = format!("it is larger than {} MiB", MAX_BYTES >> 20);
        return Err(Unread::Damaged(why));
    }
    let content: Content =
        serde_json::from_slice(&text).map_err(|problem| Unread::Damaged(problem.to_string()))?;
    if content.version != VERSION {
        let why = "another version of Ziggurat wrote it";
        return Err(Unread::Damaged(why.into()));
    }
    let mut saved = SavedState::default();
    for model in content.models {
        saved.put(model);
    }
    Ok(saved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::testing::temporary_home;
    use crate::tui::saved::tests::model;

    #[test]
    fn a_saved_model_is_read_again_and_other_models_stay() {
        let (_folder, home) = temporary_home();
        assert_eq!(load(&home), (SavedState::default(), None));
        save(&home, &model("a")).unwrap();
        save(&home, &model("b")).unwrap();
        let (saved, problem) = load(&home);
        assert_eq!(problem, None);
        assert_eq!(saved.of("a"), Some(&model("a")));
        assert_eq!(saved.of("b"), Some(&model("b")));
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_replaced() {
        let long = vec![b' '; MAX_BYTES + 1];
        let deep = b"[".repeat(MAX_BYTES);
        let other = br#"{"version": 2, "models": []}"#;
        let wrong = br#"{"version": 1, "models": [{"model": 3}]}"#;
        for damage in [&b"\xff{"[..], &long, &deep, other, wrong, b""] {
            let (_folder, home) = temporary_home();
            fs::create_dir_all(home.explorer().parent().unwrap()).unwrap();
            fs::write(home.explorer(), damage).unwrap();
            let (saved, problem) = load(&home);
            assert_eq!(saved, SavedState::default());
            let problem = problem.unwrap();
            assert!(problem.contains("explorer.json") && !problem.contains('\n'));
            let aside = home.explorer().with_extension("damaged.json");
            assert!(problem.contains(aside.to_str().unwrap()), "{problem}");
            assert_eq!(fs::read(&aside).unwrap(), damage);
            assert_eq!(save(&home, &model("a")).unwrap(), None);
            assert_eq!(load(&home).1, None);
            // A file that is damaged while an explorer is open is reported too.
            fs::write(home.explorer(), damage).unwrap();
            let problem = save(&home, &model("b")).unwrap().unwrap();
            assert!(problem.contains("explorer.json"), "{problem}");
            assert_eq!(fs::read(&aside).unwrap(), damage);
            assert_eq!(load(&home).0.models.len(), 1);
        }
        let (_folder, home) = temporary_home();
        fs::create_dir_all(home.explorer()).unwrap();
        assert!(load(&home).1.unwrap().contains("not a regular file"));
        assert!(save(&home, &model("a")).is_err());
    }

    #[test]
    fn it_stays_small_whatever_names_a_model_has() {
        let (_folder, home) = temporary_home();
        for hash in ["a", "b", "c"] {
            let mut large = model(hash);
            large.open = vec!["x".repeat(2000); 200];
            save(&home, &large).unwrap();
        }
        let (saved, problem) = load(&home);
        assert_eq!(problem, None);
        assert!(saved.of("a").is_none() && saved.of("c").is_some());
    }

    #[test]
    fn concurrent_saves_are_all_kept() {
        let (_folder, home) = temporary_home();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let home = &home;
                scope.spawn(move || {
                    for round in 0..5 {
                        save(home, &model(&format!("{thread}-{round}"))).unwrap();
                    }
                });
            }
        });
        assert_eq!(load(&home).0.models.len(), 20);
    }
}
