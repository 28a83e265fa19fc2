//! The pinned builds for NVIDIA GPUs: which one is preferred, and which packages have to be downloaded.

use super::{IS_GNU_LINUX, LocatedLibrary, fetch_package, no_build};
use crate::home::Home;
use crate::runtime::nvidia::{self, builds, files};
use crate::runtime::{Error, Package, ProgressCallback};
use std::path::PathBuf;

/// The folders of the downloaded builds for GPUs, the one that suits this machine first.
pub(super) fn folders(home: &Home) -> Vec<PathBuf> {
    let folder = |build: &builds::Build| build.package.folder(&home.runtime());
    let mut fetched: Vec<&builds::Build> = builds::BUILDS
        .iter()
        .filter(|build| folder(build).is_dir())
        .collect();
    // A home folder may be shared by machines with different drivers.
    if fetched.len() > 1
        && nvidia::is_expected()
        && let Ok(suited) = builds::choose(nvidia::driver().ok())
    {
        fetched.sort_by_key(|build| *build != suited);
    }
    fetched.into_iter().map(folder).collect()
}

/// What `setup --gpu` would download.
#[derive(Debug)]
pub struct GpuPlan {
    build: &'static builds::Build,
    /// The missing packages, ONNX Runtime's build included.
    pub packages: Vec<Package>,
    /// NVIDIA's libraries, found or not.
    pub libraries: Vec<files::Located>,
}

/// Finds the build of ONNX Runtime that suits this machine's driver and GPUs, and what it needs that is missing.
///
/// # Errors
/// [`Error::NoGpuBuild`] if none suits, [`Error::NoBuild`] if none is pinned for this kind of machine.
pub fn plan_gpu(home: &Home) -> Result<GpuPlan, Error> {
    if !IS_GNU_LINUX || std::env::consts::ARCH != "x86_64" {
        return Err(no_build("for GPUs"));
    }
    let build = builds::choose(nvidia::driver().ok()).map_err(Error::NoGpuBuild)?;
    let libraries = files::load(build.cuda, &home.runtime());
    let mut packages = files::missing_packages(&libraries);
    if !build.package.folder(&home.runtime()).is_dir() {
        packages.insert(0, build.package);
    }
    Ok(GpuPlan {
        build,
        packages,
        libraries,
    })
}

impl GpuPlan {
    /// The CUDA version of the build.
    pub fn cuda(&self) -> &'static builds::Cuda {
        self.build.cuda
    }

    /// Bytes to download.
    pub fn bytes(&self) -> u64 {
        self.packages.iter().map(|package| package.bytes).sum()
    }

    /// Downloads the missing packages into the data folder. The next process uses this build.
    ///
    /// # Errors
    /// As [`Package::fetch`].
    pub fn fetch(
        &self,
        home: &Home,
        progress: &ProgressCallback<'_>,
    ) -> Result<LocatedLibrary, Error> {
        let ours = self.build.package;
        for package in self.packages.iter().filter(|package| **package != ours) {
            package.fetch(&package.folder(&home.runtime()), &files::keep, progress)?;
        }
        fetch_package(ours, home, progress)
    }
}
