//! Contents of folders: models, path completions, photos.

use crate::home::{self, Home};
use crate::model::{ModelSource, card, picture};
use crate::tui::album::MAX_PHOTOS;
use crate::tui::completion::{self, Name};
use crate::tui::popup::Choice;
use std::path::{Path, PathBuf};

/// Maximum number of photos counted in a folder.
const MAX_SCANNED: usize = 100_000;

/// Maximum number of listed entries of a folder.
const MAX_LISTED: usize = 5000;

/// Cards, then the parent folder, folders and ONNX files.
pub fn list_folder(home: &Home, folder: &Path) -> Result<Vec<Choice>, String> {
    let is_here =
        |name: &str| ModelSource::resolve(home, Some(name)).is_ok_and(|card| card.is_here(home));
    let cards = card::names(home).into_iter().map(|name| Choice::Card {
        here: is_here(&name),
        name,
    });
    let mut choices: Vec<Choice> = cards.collect();
    let entries =
        std::fs::read_dir(folder).map_err(|problem| format!("{}: {problem}", folder.display()))?;
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in entries.flatten().take(MAX_LISTED) {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let is_onnx = path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"));
        match path.is_dir() {
            _ if hidden => {}
            true => folders.push(path),
            false if is_onnx => files.push(path),
            false => {}
        }
    }
    folders.sort();
    files.sort();
    let up = folder.parent().map(Path::to_path_buf);
    choices.extend(up.map(Choice::Folder));
    choices.extend(files.into_iter().map(Choice::File));
    choices.extend(folders.into_iter().map(Choice::Folder));
    Ok(choices)
}

/// The names in the folder of a typed path that start like its last part. Names that cannot be typed are omitted.
pub fn list_names(text: &str, relative_to: &Path) -> Result<Vec<Name>, String> {
    let (folder, part) = completion::split(text);
    let folder = match folder {
        "" => Path::new(".").into(),
        folder => home::expand_tilde(folder, home::user_folder().as_deref()),
    };
    let folder = relative_to.join(folder);
    let entries =
        std::fs::read_dir(&folder).map_err(|problem| format!("{}: {problem}", folder.display()))?;
    let name = |entry: std::fs::DirEntry| {
        let text = entry.file_name().into_string().ok()?;
        let fits = text.starts_with(part) && !text.chars().any(char::is_control);
        fits.then(|| Name {
            is_folder: entry.path().is_dir(),
            text,
        })
    };
    Ok(entries
        .flatten()
        .filter_map(name)
        .take(MAX_LISTED)
        .collect())
}

/// The photos of a path: those of a folder, by name, up to the maximum, and their total number; or the file
/// itself, whatever its extension.
pub fn find_photos(path: &Path) -> Result<(Vec<PathBuf>, usize), String> {
    let failed = |problem: std::io::Error| format!("{}: {problem}", path.display());
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok((vec![path.into()], 1));
    }
    let entries = std::fs::read_dir(path).map_err(failed)?.flatten();
    let is_hidden = |entry: &std::fs::DirEntry| entry.file_name().as_encoded_bytes()[0] == b'.';
    let files = entries
        .filter(|entry| !is_hidden(entry))
        .map(|entry| entry.path());
    let photos = files.filter(|file| picture::is_named(file) && file.is_file());
    let mut photos: Vec<PathBuf> = photos.take(MAX_SCANNED).collect();
    let all = photos.len();
    if all == 0 {
        let path = path.display();
        return Err(format!("{path}: this folder has no PNG, JPEG or WebP file"));
    }
    photos.sort();
    photos.truncate(MAX_PHOTOS);
    Ok((photos, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_photos_of_a_folder_are_found_by_name_and_a_file_is_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let why = find_photos(folder.path()).unwrap_err();
        assert!(why.contains("no PNG, JPEG or WebP file"), "{why}");
        for name in ["b.PNG", "a.jpg", ".c.png", "notes.txt"] {
            std::fs::write(path(name), "").unwrap();
        }
        std::fs::create_dir(path("d.png")).unwrap();
        let found = find_photos(folder.path()).unwrap();
        assert_eq!(found, (vec![path("a.jpg"), path("b.PNG")], 2));
        assert_eq!(
            find_photos(&path("notes.txt")).unwrap(),
            (vec![path("notes.txt")], 1)
        );
        assert!(find_photos(&path("none")).unwrap_err().contains("none: "));
        for number in 0..=MAX_PHOTOS {
            std::fs::write(path(&format!("{number:04}.webp")), "").unwrap();
        }
        let (photos, all) = find_photos(folder.path()).unwrap();
        assert_eq!((photos.len(), all), (MAX_PHOTOS, MAX_PHOTOS + 3));
    }

    #[test]
    fn names_that_begin_as_typed_are_listed_and_a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["cat.png", "dog.png", "c\u{1b}.png"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("cats")).unwrap();
        let typed = |end: &str| format!("{}/{end}", folder.path().display());
        let here = Path::new("");
        let mut names = list_names(&typed("c"), here).unwrap();
        let relative = list_names("./c", folder.path()).unwrap();
        assert_eq!(relative.len(), names.len());
        let begin = |end: &str| list_names(end, folder.path()).unwrap();
        assert_eq!(begin("d"), begin("./d"));
        names.sort_by(|a, b| a.text.cmp(&b.text));
        let name = |text: &str, is_folder| Name {
            text: text.into(),
            is_folder,
        };
        assert_eq!(names, [name("cat.png", false), name("cats", true)]);
        assert!(
            list_names(&typed("no/c"), here)
                .unwrap_err()
                .contains("no/")
        );
    }
}
