//! The shared library of ONNX Runtime: where it is looked for, where it comes from if it is nowhere, and loading it,
//! once a process.
//!
//! Looked for, in this order: `ORT_DYLIB_PATH` (nothing else if it is set), the data folder (the GPU build first), the
//! folders in which systems keep libraries. If none has a usable one, the pinned CPU build is fetched into the data
//! folder.

mod gpu;

pub use gpu::{GpuPlan, plan_gpu};

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::ep::{CUDA, ExecutionProvider};
use ort::logging::LogLevel;

use super::error::{loader_says, one_line};
use super::nvidia::{Built, builds, files};
use super::{Error, Package, Progress};
use crate::home::Home;

/// The oldest usable minor version of ONNX Runtime 1.
pub const MINIMUM_MINOR: u32 = ort::MINOR_VERSION;
const CPU_VERSION: &str = "1.32.0";

/// The pinned builds for the CPU, by architecture: for Linux with the GNU C library 2.28 or newer, MIT licensed. Those for
/// GPUs are [`builds::BUILDS`].
const CPU_BUILDS: [(&str, Package); 2] = [
    (
        "x86_64",
        Package {
            name: "onnxruntime",
            version: CPU_VERSION,
            sha256: "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
            bytes: 27_773_237,
            platform: Some("manylinux_2_28_x86_64"),
        },
    ),
    (
        "aarch64",
        Package {
            name: "onnxruntime",
            version: CPU_VERSION,
            sha256: "2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c",
            bytes: 23_195_070,
            platform: Some("manylinux_2_28_aarch64"),
        },
    ),
];

const IS_GNU_LINUX: bool = cfg!(all(target_os = "linux", target_env = "gnu"));

/// The pinned build for this machine's CPU, if there is one.
fn cpu_package() -> Option<Package> {
    let here = |(arch, _): &&(&str, Package)| IS_GNU_LINUX && *arch == std::env::consts::ARCH;
    CPU_BUILDS.iter().find(here).map(|(_, package)| *package)
}

/// Where a library was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `ORT_DYLIB_PATH` names it.
    Variable,
    /// Fetched into the data folder.
    Data,
    /// Installed on the system.
    System,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Variable => "named by ORT_DYLIB_PATH",
            Self::Data => "downloaded by Ziggurat",
            Self::System => "installed on the system",
        })
    }
}

/// A usable library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// Its version: `1.32.0`, or `1.32` if its file name does not tell more.
    pub version: String,
    /// How it was found.
    pub origin: Origin,
}

/// What a search brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// The library that would be loaded.
    pub found: Option<Found>,
    /// Libraries that were passed over, with the reason.
    pub skipped: Vec<(PathBuf, String)>,
}

/// Looks for a library without fetching one, for `doctor`.
///
/// # Errors
/// If `ORT_DYLIB_PATH` is set, but names no usable library.
pub fn find(home: &Home) -> Result<Search, Error> {
    match std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        Some(path) => named(Path::new(&path)),
        None => Ok(search(home, &system_folders())),
    }
}

/// The library that the user names, or why it cannot be used.
fn named(path: &Path) -> Result<Search, Error> {
    // A bare file name is for the system's loader; anything else is a path from here.
    let path = if path.components().count() > 1 || path.exists() {
        std::path::absolute(path).map_err(Error::file("find", path))?
    } else {
        path.to_path_buf()
    };
    let version = judge(&path).map_err(|reason| Error::BadLibrary {
        path: path.clone(),
        reason,
        remedy: "correct ORT_DYLIB_PATH, or unset it to let Ziggurat find or fetch one".into(),
    })?;
    let origin = Origin::Variable;
    Ok(Search {
        found: Some(Found {
            path,
            version,
            origin,
        }),
        skipped: Vec::new(),
    })
}

fn search(home: &Home, system: &[PathBuf]) -> Search {
    let mut fetched = gpu::folders(home);
    fetched.extend(cpu_package().map(|package| package.folder(&home.runtime())));
    let fetched = fetched.into_iter().map(|folder| (Origin::Data, folder));
    let folders = fetched.chain(
        system
            .iter()
            .map(|folder| (Origin::System, folder.to_path_buf())),
    );
    let mut search = Search::default();
    for (origin, folder) in folders {
        for path in libraries_in(&folder) {
            match judge(&path) {
                Ok(version) => {
                    search.found = Some(Found {
                        path,
                        version,
                        origin,
                    });
                    return search;
                }
                Err(reason) => search.skipped.push((path, reason)),
            }
        }
    }
    search
}

/// The folders in which a system keeps libraries; the loader's own variable first.
fn system_folders() -> Vec<PathBuf> {
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

/// The files of a folder that are called like the library, the newest name last among equals: `libonnxruntime.so` (the
/// link that a system keeps to its current version) comes before `libonnxruntime.so.1`. Names of one file count once.
fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let library = format!(
        "{}onnxruntime{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    );
    let is_library = |name: &OsStr| {
        name.to_str()
            .and_then(|name| name.strip_prefix(library.as_str()))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name())
        .filter(|name| is_library(name))
        .collect();
    names.sort();
    let mut files: Vec<PathBuf> = Vec::new();
    for name in names {
        let path = folder.join(name);
        // The real file's name tells the version.
        let file = fs::canonicalize(&path).unwrap_or(path);
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// The version of a library, or why it cannot be used.
fn judge(path: &Path) -> Result<String, String> {
    match ort::util::probe(path) {
        Some(minor) if minor >= MINIMUM_MINOR => Ok(version(path, minor)),
        Some(minor) => Err(format!(
            "it is version 1.{minor}, and 1.{MINIMUM_MINOR} or newer is needed"
        )),
        None => Err(match ort::util::preload_dylib(path) {
            Err(error) => loader_says(&error),
            Ok(()) => "it is another library".into(),
        }),
    }
}

/// `1.32.0` if the file's name ends so, else what is sure.
fn version(path: &Path, minor: u32) -> String {
    let sure = format!("1.{minor}");
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '.');
    match name.find(&format!("{sure}.")) {
        Some(start) if digits(&name[start..]) => name[start..].to_string(),
        _ => sure,
    }
}

/// ONNX Runtime, loaded.
#[derive(Debug)]
pub struct Library {
    found: Found,
    environment: Environment,
    /// The folder of fetched libraries.
    runtime: PathBuf,
    built: OnceLock<Result<Built, String>>,
}

static LOADED: OnceLock<Library> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

impl Library {
    /// Finds the library, or fetches it, and loads it. Later calls return the one that is loaded.
    ///
    /// # Errors
    /// If `ORT_DYLIB_PATH` names no usable library, or if none is found and none can be fetched.
    pub fn load(home: &Home, progress: &Progress<'_>) -> Result<&'static Self, Error> {
        let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = LOADED.get() {
            return Ok(library);
        }
        let search = find(home)?;
        let found = match search.found {
            Some(found) => found,
            None => fetch(home, progress).map_err(|error| no_library(&search.skipped, error))?,
        };
        let library = Self::initialise(found, home.runtime())?;
        Ok(LOADED.get_or_init(|| library))
    }

    /// The library that [`Library::load`] loaded.
    ///
    /// # Errors
    /// If it was not called, or failed.
    pub fn loaded() -> Result<&'static Self, Error> {
        LOADED.get().ok_or(Error::NotLoaded)
    }

    /// Which library it is.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// The folder of fetched libraries.
    pub(super) fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// The CUDA that it is built for, or why it is for none.
    pub(super) fn built_for_cuda(&self) -> Result<Built, String> {
        let built = self.built.get_or_init(|| {
            let found = &self.found;
            let none = || {
                format!(
                    "the ONNX Runtime at {} is built without CUDA; run `ziggurat setup --gpu` to fetch one that has it",
                    found.path.display()
                )
            };
            if !CUDA::is_available().unwrap_or(false) {
                return Err(none());
            }
            let pinned = match found.origin {
                Origin::Data => builds::Build::of_version(&found.version),
                Origin::Variable | Origin::System => None,
            };
            let provider = found.path.with_file_name("libonnxruntime_providers_cuda.so");
            let major = pinned.map(|build| build.cuda.major);
            let major = major.or_else(|| files::cuda_of(&provider)).ok_or_else(|| {
                format!(
                    "{} is missing or no build for CUDA; run `ziggurat setup --gpu` to fetch one",
                    provider.display()
                )
            })?;
            Ok(Built { major, pinned })
        });
        built.clone()
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    fn initialise(found: Found, runtime: PathBuf) -> Result<Self, Error> {
        let bad = |reason| Error::BadLibrary {
            path: found.path.clone(),
            reason,
            remedy: "remove it, or set ORT_DYLIB_PATH to another".into(),
        };
        let builder =
            ort::init_from(&found.path).map_err(|error| bad(one_line(&error.to_string())))?;
        let environment = builder
            .with_name("ziggurat")
            .with_telemetry(false)
            .with_logger(Arc::new(log))
            .build()
            .map_err(|error| bad(one_line(&error.to_string())))?;
        environment.set_log_level(LogLevel::Warning);
        tracing::info!(path = %found.path.display(), version = found.version, "loaded ONNX Runtime");
        Ok(Self {
            found,
            environment,
            runtime,
            built: OnceLock::new(),
        })
    }
}

/// ONNX Runtime would write to stderr, over the user's screen.
fn log(level: LogLevel, category: &str, _id: &str, at: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => {
            tracing::debug!(target: "onnxruntime", category, at, message)
        }
        LogLevel::Warning => tracing::warn!(target: "onnxruntime", category, at, message),
        LogLevel::Error | LogLevel::Fatal => {
            tracing::error!(target: "onnxruntime", category, at, message)
        }
    }
}

/// Fetches the pinned CPU build into the data folder, unless it is there.
///
/// # Errors
/// As [`Package::fetch`]; and if none is pinned for this machine.
pub fn fetch(home: &Home, progress: &Progress<'_>) -> Result<Found, Error> {
    fetch_package(
        cpu_package().ok_or_else(|| no_build("build"))?,
        home,
        progress,
    )
}

fn no_build(wanted: &'static str) -> Error {
    Error::NoBuild {
        wanted,
        system: format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
        minimum: MINIMUM_MINOR,
    }
}

fn fetch_package(package: Package, home: &Home, progress: &Progress<'_>) -> Result<Found, Error> {
    let folder = package.fetch(&package.folder(&home.runtime()), &keep, progress)?;
    let bad = |reason: String| Error::BadLibrary {
        path: folder.clone(),
        reason,
        remedy: "remove this folder and try again".into(),
    };
    let path = libraries_in(&folder)
        .into_iter()
        .next()
        .ok_or_else(|| bad("it holds no library".into()))?;
    let version = judge(&path).map_err(bad)?;
    Ok(Found {
        path,
        version,
        origin: Origin::Data,
    })
}

/// Of the wheel: the shared libraries, side by side as they need to be, and what the licence asks to go with them.
fn keep(entry: &str) -> Option<PathBuf> {
    let inside = entry.strip_prefix("onnxruntime/")?;
    let legal = ["LICENSE", "ThirdPartyNotices.txt"].contains(&inside);
    let library = inside
        .strip_prefix("capi/")
        .filter(|name| name.starts_with("lib") && name.contains(".so"));
    library.or(legal.then_some(inside)).map(PathBuf::from)
}

fn no_library(skipped: &[(PathBuf, String)], fetch: Error) -> Error {
    if let Error::NoBuild { .. } = fetch
        && skipped.is_empty()
    {
        return fetch;
    }
    let skipped: Vec<_> = skipped
        .iter()
        .map(|(path, reason)| format!("{}: {reason}", path.display()))
        .collect();
    Error::NoLibrary {
        skipped: if skipped.is_empty() {
            "ORT_DYLIB_PATH is not set, none is installed".into()
        } else {
            skipped.join("; ")
        },
        fetch: Box::new(fetch),
    }
}

#[cfg(test)]
mod tests;
