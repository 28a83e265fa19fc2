//! Runs as files for people, in an existing folder. Files are never replaced.

use crate::home::Home;
use crate::runs::export::to_new_file;
use crate::tui::action::DiskResponse;
use std::path::{Path, PathBuf};

/// Maximum number of files with one name; more than this is a mistake.
const MAX_NUMBER: usize = 1000;

/// Exports runs to `path` or, if that exists, under the same name with a number. Only the folder `favourites` is
/// created if necessary.
pub fn export(home: &Home, favourites: &Path, ids: Vec<String>, path: PathBuf) -> DiskResponse {
    let done = written(home, favourites, &ids, &path);
    match done {
        Ok(written) => DiskResponse::Exported(written),
        Err(why) => DiskResponse::NotExported { ids, path, why },
    }
}

/// Writes the runs, and returns the path of the file.
fn written(home: &Home, favourites: &Path, ids: &[String], path: &Path) -> Result<PathBuf, String> {
    loop {
        let free = unused(path, favourites)?;
        let is_written = to_new_file(home, ids, &free).map_err(|problem| problem.to_string())?;
        // Otherwise another program has taken the name since.
        if is_written {
            return Ok(free);
        }
    }
}

/// The path, or the first of `page-2.html`, `page-3.html`, … that does not exist.
fn unused(path: &Path, favourites: &Path) -> Result<PathBuf, String> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder
        && !folder.is_dir()
        && folder != favourites
    {
        return Err(format!("no such folder: {}", folder.display()));
    }
    let numbered = |number: usize| match number {
        1 => path.to_path_buf(),
        _ => {
            let mut name = path.file_stem().unwrap_or_default().to_os_string();
            name.push(format!("-{number}"));
            let mut file = path.with_file_name(name).into_os_string();
            if let Some(ending) = path.extension() {
                file.push(".");
                file.push(ending);
            }
            PathBuf::from(file)
        }
    };
    // A dangling link occupies the name, too.
    let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
    let found = (1..=MAX_NUMBER).map(numbered).find(is_free);
    found.ok_or_else(|| {
        let path = path.display();
        format!("{path}: {MAX_NUMBER} files have this name already: choose another name")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_gets_a_number_and_no_folder_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let find = |name: &str| unused(&path(name), &path("favourites"));
        assert_eq!(find("v1.0.html"), Ok(path("v1.0.html")));
        std::fs::write(path("v1.0.html"), "mine").unwrap();
        assert_eq!(find("v1.0.html"), Ok(path("v1.0-2.html")));
        std::fs::create_dir(path("v1.0-2.html")).unwrap();
        assert_eq!(find("v1.0.html"), Ok(path("v1.0-3.html")));
        assert!(find("favourites/a.png").is_ok());
        let refused = find("no/b.png").unwrap_err();
        assert!(refused.contains("no such folder"), "{refused}");
        assert!(!path("no").exists());
    }

    #[test]
    fn what_is_not_exported_comes_back_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let (home, path) = (Home::at(folder.path()), folder.path().join("a.png"));
        let ids = vec!["0123456789abcdef".to_string()];
        let answer = export(&home, Path::new("/favourites"), ids.clone(), path.clone());
        let DiskResponse::NotExported {
            ids: same,
            path: asked,
            why,
        } = answer
        else {
            panic!("{answer:?}");
        };
        assert_eq!((same, asked), (ids, path.clone()));
        assert!(!why.is_empty() && !path.exists());
    }
}
