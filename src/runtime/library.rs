//! The shared library of ONNX Runtime: finding it, downloading it if it is missing, and loading it once per process.
//!
//! Searched in this order:
//!
//! 1. `ORT_DYLIB_PATH`; if it is set, nothing else
//! 2. the builds for GPUs in the data folder, because `setup --gpu` is a deliberate choice
//! 3. the Python environment that the program is installed in, `$VIRTUAL_ENV`, `$CONDA_PREFIX`
//! 4. the build for the CPU in the data folder
//! 5. the system's library folders
//!
//! If none has a usable one, the pinned build for the CPU is downloaded into the data folder.

mod cpu;
mod folders;
mod gpu;
mod inspection;

use cpu::cpu_package;
use folders::{environment_folders, libraries_in, system_folders};
pub use gpu::{GpuPlan, plan_gpu};
use inspection::inspect;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::ep::{CUDA, ExecutionProvider};
use ort::logging::LogLevel;

use super::environments::Environments;
use super::nvidia::runtime::Runtime;
use super::nvidia::{self, Built, builds, files};
use super::{Error, Package, ProgressCallback};
use crate::home::Home;
use crate::text::joined_lines;
use crate::variables;

/// The oldest usable minor version of ONNX Runtime 1.
pub const MINIMUM_MINOR: u32 = ort::MINOR_VERSION;
const IS_GNU_LINUX: bool = cfg!(all(target_os = "linux", target_env = "gnu"));

/// Where a library comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LibraryOrigin {
    /// Named by `ORT_DYLIB_PATH`.
    Variable,
    /// In the Python environment that the program is installed in.
    Own,
    /// In the active virtual environment.
    VirtualEnv,
    /// In the active conda environment.
    Conda,
    /// Downloaded into the data folder.
    Data,
    /// Installed on the system.
    System,
}

impl std::fmt::Display for LibraryOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Variable => "named by ORT_DYLIB_PATH",
            Self::Own => "in the environment of this program",
            Self::VirtualEnv => "in the virtual environment ($VIRTUAL_ENV)",
            Self::Conda => "in the conda environment ($CONDA_PREFIX)",
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
    /// Its version, such as `1.32.0`.
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
    /// Variables that should name an environment, but do not; one line each.
    pub ignored: Vec<String>,
}

/// Searches for a library without downloading one, for `doctor`.
///
/// # Errors
/// If `ORT_DYLIB_PATH` is set, but names no usable library.
pub fn find(home: &Home) -> Result<Search, Error> {
    match std::env::var_os(variables::LIBRARY).filter(|path| !path.is_empty()) {
        Some(path) => named(Path::new(&path)),
        None => Ok(search(
            home,
            &Environments::of_this_process(),
            &system_folders(),
        )),
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
    let version = inspect(&path).map_err(|reason| Error::BadLibrary {
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
        ..Search::default()
    })
}

fn search(home: &Home, environments: &Environments, system: &[PathBuf]) -> Search {
    let located = |origin: LibraryOrigin| move |folder: PathBuf| (origin, folder);
    let for_cpu = cpu_package().map(|package| package.folder(&home.runtime()));
    let folders = gpu::folders(home)
        .into_iter()
        .map(located(LibraryOrigin::Data))
        .chain(environment_folders(environments))
        .chain(for_cpu.map(located(LibraryOrigin::Data)))
        .chain(system.iter().cloned().map(located(LibraryOrigin::System)));
    let mut search = Search {
        ignored: environments.ignored.clone(),
        ..Search::default()
    };
    for (origin, folder) in folders {
        for path in libraries_in(&folder) {
            match inspect(&path) {
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

/// ONNX Runtime, loaded.
#[derive(Debug)]
pub struct Library {
    found: LocatedLibrary,
    environment: Environment,
    /// The folder of downloaded libraries.
    runtime: PathBuf,
    built: OnceLock<Result<Built, String>>,
    cuda_runtime: OnceLock<Option<Runtime>>,
}

static LOADED: OnceLock<Library> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

impl Library {
    /// Finds or downloads the library, and loads it. Later calls return the loaded one.
    ///
    /// # Errors
    /// If `ORT_DYLIB_PATH` names no usable library, or if none is found and none can be downloaded.
    pub fn load(home: &Home, progress: &ProgressCallback<'_>) -> Result<&'static Self, Error> {
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
                _ => None,
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

    /// The CUDA runtime, for copies; `None` if it is not found as a library of its own.
    pub(super) fn cuda_runtime(&self) -> Option<&Runtime> {
        let open = || {
            let located = self.nvidia_libraries().into_iter();
            let mut runtimes = located.filter(|one| one.file.starts_with("libcudart"));
            let (_, path) = runtimes.find_map(|one| one.found)?;
            let opened = Runtime::open(&path);
            if let Err(why) = &opened {
                tracing::warn!(path = %path.display(), why, "the CUDA runtime cannot be used for copies");
            }
            opened.ok()
        };
        self.cuda_runtime.get_or_init(open).as_ref()
    }

    /// NVIDIA's libraries that this build needs, loaded where they are found, once per process;
    /// empty if it is not built for a known CUDA version.
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
        builds::Cuda::with_major(self.built_for_cuda().ok()?.major)
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
            ort::init_from(&found.path).map_err(|error| bad(joined_lines(&error.to_string())))?;
        let environment = builder
            .with_name("ziggurat")
            .with_telemetry(false)
            .with_logger(Arc::new(log))
            .build()
            .map_err(|error| bad(joined_lines(&error.to_string())))?;
        environment.set_log_level(LogLevel::Warning);
        tracing::info!(path = %found.path.display(), version = found.version, "loaded ONNX Runtime");
        Ok(Self {
            found,
            environment,
            runtime,
            built: OnceLock::new(),
            cuda_runtime: OnceLock::new(),
        })
    }
}

/// ONNX Runtime would write to stderr, over the user's screen.
fn log(level: LogLevel, category: &str, _id: &str, at: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => {
            tracing::debug!(target: "onnxruntime", category, at, message);
        }
        LogLevel::Warning => tracing::warn!(target: "onnxruntime", category, at, message),
        LogLevel::Error | LogLevel::Fatal => {
            tracing::error!(target: "onnxruntime", category, at, message);
        }
    }
}

/// Downloads the pinned CPU build into the data folder, unless it is there.
///
/// # Errors
/// As [`Package::fetch`]; and if none is pinned for this machine.
pub fn fetch(home: &Home, progress: &ProgressCallback<'_>) -> Result<LocatedLibrary, Error> {
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
    progress: &ProgressCallback<'_>,
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
    let version = inspect(&path).map_err(bad)?;
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
