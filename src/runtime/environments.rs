//! The Python and conda environments of this process: the one that Ziggurat is installed in, and the active ones. They
//! may hold ONNX Runtime and NVIDIA's libraries.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders of the environments, each with `bin`, `lib` and so on.
#[derive(Debug, Clone, Default)]
pub(super) struct Environments {
    /// The one above the program's folder, if that is an environment or has the package `ziggurat`.
    pub own: Option<PathBuf>,
    /// `$VIRTUAL_ENV`.
    pub virtual_env: Option<PathBuf>,
    /// `$CONDA_PREFIX`.
    pub conda: Option<PathBuf>,
    /// Variables that name no folder, with the reason; one line each.
    pub ignored: Vec<String>,
}

impl Environments {
    /// The environments of this process.
    pub fn of_this_process() -> Self {
        let mut ignored = Vec::new();
        let mut variable = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
            let path = PathBuf::from(value);
            match why_no_environment(&path) {
                None => Some(path),
                Some(why) => {
                    ignored.push(format!("{name}: {} {why}", path.display()));
                    None
                }
            }
        };
        let program = std::env::current_exe().and_then(fs::canonicalize);
        let above = |program: PathBuf| Some(program.parent()?.parent()?.to_path_buf());
        let own = program.ok().and_then(above);
        Self {
            own: own.filter(|prefix| is_environment(prefix)),
            virtual_env: variable("VIRTUAL_ENV"),
            conda: variable("CONDA_PREFIX"),
            ignored,
        }
    }
}

/// Why a path cannot be that of an active environment, if it cannot.
fn why_no_environment(path: &Path) -> Option<String> {
    if path.is_relative() {
        return Some("is a relative path".into());
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => None,
        Ok(_) => Some("is no folder".into()),
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => {
            Some("does not exist".into())
        }
        Err(problem) => Some(format!("cannot be read: {problem}")),
    }
}

/// Whether a folder is a virtual or conda environment, or has the Python package that Ziggurat is
/// installed with. `/usr` has packages too, but those of the system do not come before an active
/// environment's.
fn is_environment(prefix: &Path) -> bool {
    let marks = ["pyvenv.cfg", "conda-meta"];
    let is_ours = |name: &str| name.starts_with("ziggurat-") && name.ends_with(".dist-info");
    let has_package = |packages: &PathBuf| {
        let entries = fs::read_dir(packages).into_iter().flatten().flatten();
        let mut names = entries.map(|entry| entry.file_name());
        names.any(|name| name.to_str().is_some_and(is_ours))
    };
    marks.iter().any(|mark| prefix.join(mark).exists())
        || site_packages(prefix).iter().any(has_package)
}

/// The folders of an environment's Python packages. Debian's Python calls them `dist-packages`.
pub(super) fn site_packages(prefix: &Path) -> Vec<PathBuf> {
    let is_python = |name: &str| name.starts_with("python3");
    let versions = fs::read_dir(prefix.join("lib")).into_iter().flatten();
    let mut pythons: Vec<PathBuf> = versions
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_python))
        .map(|entry| entry.path())
        .collect();
    pythons.sort();
    let on_unix = pythons.iter().flat_map(|python| {
        ["site-packages", "dist-packages"].map(|packages| python.join(packages))
    });
    let on_windows = [prefix.join("Lib").join("site-packages")];
    on_unix
        .chain(on_windows)
        .filter(|folder| folder.is_dir())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_in_the_folder_of_each_python() {
        let prefix = tempfile::tempdir().unwrap();
        let folders = [
            "lib/python3.11/dist-packages",
            "lib/python3.12/site-packages",
        ]
        .map(|folder| prefix.path().join(folder));
        for folder in &folders {
            fs::create_dir_all(folder).unwrap();
        }
        fs::create_dir_all(prefix.path().join("lib/perl5/site-packages")).unwrap();
        assert_eq!(site_packages(prefix.path()), folders);
    }

    #[test]
    fn an_environment_is_marked_or_has_this_package() {
        let prefix = tempfile::tempdir().unwrap();
        let packages = prefix.path().join("lib/python3.12/site-packages");
        fs::create_dir_all(packages.join("onnxruntime-1.32.0.dist-info")).unwrap();
        assert!(!is_environment(prefix.path()));
        fs::create_dir(packages.join("ziggurat-0.1.0.dist-info")).unwrap();
        assert!(is_environment(prefix.path()));
        let marked = tempfile::tempdir().unwrap();
        fs::write(marked.path().join("pyvenv.cfg"), "").unwrap();
        assert!(is_environment(marked.path()));
    }

    #[test]
    fn an_active_environment_is_the_absolute_path_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let why = |path: &Path| why_no_environment(path);
        assert_eq!(why(folder.path()), None);
        assert_eq!(why(Path::new("venv")).unwrap(), "is a relative path");
        assert_eq!(why(&file).unwrap(), "is no folder");
        assert_eq!(why(&folder.path().join("gone")).unwrap(), "does not exist");
        assert!(
            why(&file.join("inside"))
                .unwrap()
                .starts_with("cannot be read")
        );
    }

    #[test]
    fn a_folder_without_python_has_no_packages() {
        let prefix = tempfile::tempdir().unwrap();
        assert!(site_packages(prefix.path()).is_empty());
        assert!(site_packages(Path::new("/nowhere")).is_empty());
    }
}
