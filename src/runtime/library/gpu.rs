//! The pinned builds for NVIDIA GPUs: which of them is preferred, and what of one and of NVIDIA's libraries is to be fetched.

use super::{Found, IS_GNU_LINUX, fetch_package, no_build};
use crate::home::Home;
use crate::runtime::nvidia::{self, builds, files};
use crate::runtime::{Error, Package, Progress};
use std::path::PathBuf;

/// The folders of the builds for GPUs that were fetched, the one that suits this machine first.
pub(super) fn folders(home: &Home) -> Vec<PathBuf> {
    let folder = |build: &builds::Build| build.package.folder(&home.runtime());
    let mut fetched: Vec<&builds::Build> = builds::BUILDS
        .iter()
        .filter(|build| folder(build).is_dir())
        .collect();
    // A home folder may serve machines with different drivers.
    if fetched.len() > 1
        && nvidia::has_device()
        && let Ok(suited) = builds::choose(nvidia::driver().ok())
    {
        fetched.sort_by_key(|build| *build != suited);
    }
    fetched.into_iter().map(folder).collect()
}

/// What `setup --gpu` would fetch.
#[derive(Debug)]
pub struct GpuPlan {
    build: &'static builds::Build,
    /// What is not there yet, ONNX Runtime's build included.
    pub packages: Vec<Package>,
    /// NVIDIA's libraries that are installed already.
    pub there: Vec<files::Located>,
}

/// Finds out which build of ONNX Runtime suits this machine's driver and GPUs, and what it needs that is nowhere.
///
/// # Errors
/// [`Error::NoGpuBuild`] if none suits, [`Error::NoBuild`] if none is pinned for this kind of machine.
pub fn plan_gpu(home: &Home) -> Result<GpuPlan, Error> {
    if !IS_GNU_LINUX || std::env::consts::ARCH != "x86_64" {
        return Err(no_build("for GPUs"));
    }
    let build = builds::choose(nvidia::driver().ok()).map_err(Error::NoGpuBuild)?;
    let there = files::load_for(build.cuda, &home.runtime());
    let mut packages = files::missing_packages(&there);
    if !build.package.folder(&home.runtime()).is_dir() {
        packages.insert(0, build.package);
    }
    Ok(GpuPlan {
        build,
        packages,
        there,
    })
}

impl GpuPlan {
    /// CUDA's generation: 12 or 13.
    pub fn cuda(&self) -> u32 {
        self.build.cuda.major
    }

    /// Bytes to fetch.
    pub fn bytes(&self) -> u64 {
        self.packages.iter().map(|package| package.bytes).sum()
    }

    /// Fetches what is missing into the data folder. The next process prefers this build.
    ///
    /// # Errors
    /// As [`Package::fetch`].
    pub fn fetch(&self, home: &Home, progress: &Progress<'_>) -> Result<Found, Error> {
        let ours = self.build.package;
        for package in self.packages.iter().filter(|package| **package != ours) {
            package.fetch(&package.folder(&home.runtime()), &files::keep, progress)?;
        }
        fetch_package(ours, home, progress)
    }
}
