//! The folders that may hold the library, and the files in them that have its name.

use super::LibraryOrigin;
use crate::runtime::environments::{Environments, site_packages};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of environments that may hold the library.
pub(super) fn environment_folders(environments: &Environments) -> Vec<(LibraryOrigin, PathBuf)> {
    let prefixes = [
        (LibraryOrigin::Own, &environments.own),
        (LibraryOrigin::VirtualEnv, &environments.virtual_env),
        (LibraryOrigin::Conda, &environments.conda),
    ];
    let mut folders = Vec::new();
    for (origin, prefix) in prefixes {
        let packages = prefix.iter().flat_map(|prefix| site_packages(prefix));
        folders.extend(packages.map(|folder| (origin, folder.join("onnxruntime").join("capi"))));
    }
    // A conda package of the C library has no Python package.
    let conda = environments.conda.iter();
    folders.extend(conda.map(|prefix| (LibraryOrigin::Conda, prefix.join("lib"))));
    folders
}

/// The system's library folders; those of the loader's own variable first.
pub(super) fn system_folders() -> Vec<PathBuf> {
    let variable = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let usual = [
        "/usr/local/lib".to_string(),
        "/usr/local/lib64".to_string(),
        format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH),
        "/usr/lib64".to_string(),
        "/usr/lib".to_string(),
        "/opt/onnxruntime/lib".to_string(),
        "/opt/homebrew/lib".to_string(),
    ];
    let named = std::env::split_paths(&variable).filter(|folder| folder.is_absolute());
    named.chain(usual.map(PathBuf::from)).collect()
}

/// The files of a folder with the library's name, in alphabetical order: `libonnxruntime.so` (the link to the system's
/// current version) comes before `libonnxruntime.so.1`. Several names of one file count once.
pub(super) fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let is_library = |name: &OsStr| name.to_str().is_some_and(is_library);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name())
        .filter(|name| is_library(name))
        .collect();
    names.sort();
    let mut files: Vec<PathBuf> = Vec::new();
    for name in names {
        let path = folder.join(name);
        // The real file's name contains the version; but a link to a device is a clearer name than that of the device.
        let real = fs::canonicalize(&path).ok().filter(|real| real.is_file());
        let file = real.unwrap_or(path);
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// Whether a file has the name of the library. Its version follows the suffix on Linux, and precedes it on macOS.
fn is_library(name: &str) -> bool {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    let rest = name.strip_prefix(&format!("{DLL_PREFIX}onnxruntime"));
    rest.is_some_and(|rest| {
        let after = rest.strip_prefix(DLL_SUFFIX);
        after.is_some_and(|version| version.is_empty() || version.starts_with('.'))
            || rest.starts_with('.') && rest.ends_with(DLL_SUFFIX)
    })
}
