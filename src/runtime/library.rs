//! The shared library of ONNX Runtime: finding it, downloading it if it is missing, and loading it once per process.
//!
//! Searched in this order: `ORT_DYLIB_PATH` (nothing else if it is set), the data folder (the GPU build first), the
//! system's library folders. If none has a usable one, the pinned CPU build is downloaded into the data folder.

mod cpu;
mod gpu;

use cpu::cpu_package;
pub use gpu::{GpuPlan, plan_gpu};

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::ep::{CUDA, ExecutionProvider};
use ort::logging::LogLevel;

use super::messages::{loader_says, one_line};
use super::nvidia::{self, Built, builds, files};
use super::{Error, Package, Progress};
use crate::home::Home;

/// The oldest usable minor version of ONNX Runtime 1.
pub const MINIMUM_MINOR: u32 = ort::MINOR_VERSION;
const IS_GNU_LINUX: bool = cfg!(all(target_os = "linux", target_env = "gnu"));

/// Where a library comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LibraryOrigin {
    /// Named by `ORT_DYLIB_PATH`.
    Variable,
    /// Downloaded into the data folder.
    Data,
    /// Installed on the system.
    System,
}

impl std::fmt::Display for LibraryOrigin {
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
pub struct LocatedLibrary {
    /// The file.
    pub path: PathBuf,
    /// Its version: `1.32.0`, or `1.32` if its file name does not show more.
    pub version: String,
    /// Where it comes from.
    pub origin: LibraryOrigin,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// The library that would be loaded.
    pub found: Option<LocatedLibrary>,
    /// Libraries that cannot be used, with the reason.
    pub skipped: Vec<(PathBuf, String)>,
}

/// Searches for a library without downloading one, for `doctor`.
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
    let version = check_version(&path).map_err(|reason| Error::BadLibrary {
        path: path.clone(),
        reason,
        remedy: "correct ORT_DYLIB_PATH, or unset it to let Ziggurat find or download one".into(),
    })?;
    let origin = LibraryOrigin::Variable;
    Ok(Search {
        found: Some(LocatedLibrary {
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
    let fetched = fetched
        .into_iter()
        .map(|folder| (LibraryOrigin::Data, folder));
    let folders = fetched.chain(
        system
            .iter()
            .map(|folder| (LibraryOrigin::System, folder.to_path_buf())),
    );
    let mut search = Search::default();
    for (origin, folder) in folders {
        for path in libraries_in(&folder) {
            match check_version(&path) {
                Ok(version) => {
                    search.found = Some(LocatedLibrary {
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

/// The system's library folders; those of the loader's own variable first.
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

/// The files of a folder with the library's name, in alphabetical order: `libonnxruntime.so` (the link to the system's
/// current version) comes before `libonnxruntime.so.1`. Several names of one file count once.
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
        // The real file's name contains the version.
        let file = fs::canonicalize(&path).unwrap_or(path);
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// The version of a library, or why it cannot be used.
fn check_version(path: &Path) -> Result<String, String> {
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

/// The version in the file's name (`1.32.0`), or what is certain (`1.32`).
fn version(path: &Path, minor: u32) -> String {
    let certain = format!("1.{minor}");
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '.');
    match name.find(&format!("{certain}.")) {
        Some(start) if digits(&name[start..]) => name[start..].to_string(),
        _ => certain,
    }
}

/// ONNX Runtime, loaded.
#[derive(Debug)]
pub struct Library {
    found: LocatedLibrary,
    environment: Environment,
    /// The folder of downloaded libraries.
    runtime: PathBuf,
    built: OnceLock<Result<Built, String>>,
}

static LOADED: OnceLock<Library> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

impl Library {
    /// Finds or downloads the library, and loads it. Later calls return the loaded one.
    ///
    /// # Errors
    /// If `ORT_DYLIB_PATH` names no usable library, or if none is found and none can be downloaded.
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
    /// If it was not called or failed.
    pub fn loaded() -> Result<&'static Self, Error> {
        LOADED.get().ok_or(Error::NotLoaded)
    }

    /// Which library it is.
    pub fn found(&self) -> &LocatedLibrary {
        &self.found
    }

    /// The folder of downloaded libraries.
    pub(super) fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// The CUDA version that it is built for, or why it is built for none.
    pub(super) fn built_for_cuda(&self) -> Result<Built, String> {
        let built = self.built.get_or_init(|| {
            let found = &self.found;
            let is_named = found.origin == LibraryOrigin::Variable;
            let remedy = nvidia::setup_remedy(is_named, "a build with CUDA");
            if !CUDA::is_available().unwrap_or(false) {
                return Err(format!(
                    "the ONNX Runtime at {} is built without CUDA; {remedy}",
                    found.path.display()
                ));
            }
            let pinned = match found.origin {
                LibraryOrigin::Data => builds::Build::of_version(&found.version),
                LibraryOrigin::Variable | LibraryOrigin::System => None,
            };
            let provider = found
                .path
                .with_file_name("libonnxruntime_providers_cuda.so");
            let major = pinned.map(|build| build.cuda.major);
            let major = major.or_else(|| files::cuda_of(&provider)).ok_or_else(|| {
                format!(
                    "{} is missing or not built for CUDA; {remedy}",
                    provider.display()
                )
            })?;
            Ok(Built {
                major,
                pinned,
                is_named,
            })
        });
        built.clone()
    }

    /// NVIDIA's libraries that this build needs, loaded where they are found, once per process; empty if it is not built for
    /// a known CUDA version.
    pub fn nvidia_libraries(&self) -> Vec<files::Located> {
        let cuda = self.cuda();
        cuda.map_or_else(Vec::new, |cuda| files::load(cuda, &self.runtime))
    }

    /// As [`Library::nvidia_libraries`], for TensorRT.
    pub(super) fn tensorrt_libraries(&self) -> Vec<files::Located> {
        let cuda = self.cuda();
        cuda.map_or_else(Vec::new, |cuda| files::load_tensorrt(cuda, &self.runtime))
    }

    fn cuda(&self) -> Option<&'static builds::Cuda> {
        builds::Cuda::of(self.built_for_cuda().ok()?.major)
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    fn initialise(found: LocatedLibrary, runtime: PathBuf) -> Result<Self, Error> {
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

/// Downloads the pinned CPU build into the data folder, unless it is there.
///
/// # Errors
/// As [`Package::fetch`]; and if none is pinned for this machine.
pub fn fetch(home: &Home, progress: &Progress<'_>) -> Result<LocatedLibrary, Error> {
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

fn fetch_package(
    package: Package,
    home: &Home,
    progress: &Progress<'_>,
) -> Result<LocatedLibrary, Error> {
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
    let version = check_version(&path).map_err(bad)?;
    Ok(LocatedLibrary {
        path,
        version,
        origin: LibraryOrigin::Data,
    })
}

/// Selects from the wheel: the shared libraries, which must be in one folder, and the licence files.
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
            "ORT_DYLIB_PATH is not set, and none is installed".into()
        } else {
            skipped.join("; ")
        },
        fetch: Box::new(fetch),
    }
}

#[cfg(test)]
mod tests;
