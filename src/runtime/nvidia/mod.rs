//! CUDA on this machine: the driver and its GPUs, NVIDIA's libraries, the build of ONNX Runtime
//! that suits them, and one line with a remedy for everything that can be missing.
//!
//! - [`mod@driver`]: queries the driver
//! - [`builds`]: the pinned builds, and which one suits a machine
//! - [`files`]: finds and loads NVIDIA's libraries
//! - [`runtime`]: copies between the host and a GPU

pub mod builds;
pub mod driver;
pub mod files;
pub mod runtime;

use std::path::Path;
use std::sync::OnceLock;

use builds::{Build, Cuda};
use driver::{Driver, Gpu, Trouble};

/// Files that NVIDIA's drivers create: on a server, under WSL, on a Jetson.
const DEVICE_FILES: [&str; 4] = ["dev/nvidiactl", "dev/nvidia0", "dev/dxg", "dev/nvhost-gpu"];

/// Files that exist only in containers.
const CONTAINER_FILES: [&str; 3] = [".dockerenv", "run/.containerenv", ".singularity.d"];

/// NVIDIA's PCI vendor number, as Linux writes it.
const PCI_VENDOR: &str = "0x10de";

/// Whether CUDA can be expected on this machine: it has an NVIDIA device, with or without a driver,
/// or a driver that shows a GPU.
pub fn is_expected() -> bool {
    has_device() || driver().is_ok_and(|driver| !driver.gpus.is_empty())
}

fn has_device() -> bool {
    has_device_below(Path::new("/"))
}

fn has_device_below(root: &Path) -> bool {
    let devices = std::fs::read_dir(root.join("sys/bus/pci/devices"));
    let mut devices = devices.into_iter().flatten().flatten();
    let is_of_nvidia = |device: std::fs::DirEntry| {
        let vendor = std::fs::read_to_string(device.path().join("vendor"));
        vendor.is_ok_and(|vendor| vendor.trim() == PCI_VENDOR)
    };
    DEVICE_FILES.iter().any(|file| root.join(file).exists()) || devices.any(is_of_nvidia)
}

fn is_container(root: &Path) -> bool {
    CONTAINER_FILES.iter().any(|file| root.join(file).exists())
}

/// The driver of this machine, queried once per process.
///
/// # Errors
/// One line with the remedy.
pub fn driver() -> Result<&'static Driver, &'static str> {
    static ANSWER: OnceLock<Result<Driver, String>> = OnceLock::new();
    let answer = ANSWER.get_or_init(ask_driver);
    answer.as_ref().map_err(String::as_str)
}

/// As [`driver()`], queried again: the free memory of each GPU changes.
///
/// # Errors
/// One line with the remedy.
pub fn ask_driver() -> Result<Driver, String> {
    driver::ask(&driver::Names::default()).map_err(|trouble| {
        let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
        let machine = Machine {
            has_device: has_device(),
            is_container: is_container(Path::new("/")),
        };
        why_no_driver(&trouble, machine, visible.as_deref())
    })
}

/// The kind of machine on which the driver's library is missing.
#[derive(Debug, Clone, Copy)]
struct Machine {
    has_device: bool,
    is_container: bool,
}

/// Why the driver does not answer, and the remedy.
fn why_no_driver(trouble: &Trouble, machine: Machine, visible: Option<&str>) -> String {
    match trouble {
        Trouble::NoLibrary(_) if !machine.has_device => {
            "this machine has no NVIDIA GPU; --provider webgpu may reach another one, --provider cpu always works".into()
        }
        Trouble::NoLibrary(_) if machine.is_container => {
            "this container lacks the NVIDIA driver's libraries (libcuda.so.1); start it with the GPUs: `docker run --gpus all`, `podman run --device nvidia.com/gpu=all`, `apptainer exec --nv`".into()
        }
        Trouble::NoLibrary(loader) => {
            format!("the NVIDIA driver's library is missing ({loader}); install the NVIDIA driver")
        }
        Trouble::Refusal(100) => match visible {
            Some(visible) => format!(
                "CUDA_VISIBLE_DEVICES is `{}`, which leaves no GPU; unset it, or name a GPU that `nvidia-smi -L` lists",
                visible.escape_debug()
            ),
            None => "the NVIDIA driver shows no GPU; `nvidia-smi` may say why".into(),
        },
        Trouble::Refusal(802) => {
            "the NVIDIA driver is not ready (error 802); start the service nvidia-fabricmanager".into()
        }
        Trouble::Refusal(803) => {
            "the NVIDIA driver's library and its kernel module are of different versions (error 803); restart the machine".into()
        }
        Trouble::Refusal(804) => {
            "this GPU does not support CUDA's compatibility libraries (error 804); remove their folder (cuda-compat) from LD_LIBRARY_PATH".into()
        }
        Trouble::Refusal(code) => {
            format!("the NVIDIA driver does not start (error {code}); `nvidia-smi` may say why")
        }
    }
}

/// A driver in messages: `driver 550.54.15 (CUDA 12.4)`.
fn describe_driver(driver: &Driver) -> String {
    let (major, minor) = driver.cuda;
    let release = driver.release.as_deref();
    let release = release.map_or(String::new(), |release| format!(" {release}"));
    format!("driver{release} (CUDA {major}.{minor})")
}

/// A GPU in messages: `NVIDIA H100 (compute capability 9.0)`.
fn describe_gpu(gpu: &Gpu) -> String {
    let (major, minor) = gpu.capability;
    format!("{} (compute capability {major}.{minor})", gpu.name)
}

/// The loaded build of ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// CUDA's generation: 12 or 13.
    pub major: u32,
    /// The pinned build, if it is one; the GPUs that other builds support are unknown.
    pub pinned: Option<&'static Build>,
    /// Whether `ORT_DYLIB_PATH` names it, so that no other build is used.
    pub is_named: bool,
}

/// The remedy for a build that does not suit: downloading another one, which `ORT_DYLIB_PATH` would
/// prevent from being used.
pub fn setup_remedy(is_named: bool, brings: &str) -> String {
    if is_named {
        format!("unset ORT_DYLIB_PATH and run `ziggurat setup --gpu`, which downloads {brings}")
    } else {
        format!("`ziggurat setup --gpu` downloads {brings}")
    }
}

/// Why a build cannot run on the GPU of this number, on one line with the remedy; `None` if nothing
/// is known against it.
pub fn refusal(driver: &Driver, built: Built, number: u32) -> Option<String> {
    let suited = builds::choose(Some(driver));
    let brings = |build: &Build| format!("the build for CUDA {}", build.cuda.major);
    if driver.cuda.0 < built.major {
        let build = match suited {
            Err(why) => return Some(why),
            Ok(build) => build,
        };
        let oldest = Cuda::with_major(built.major).map_or(String::new(), |cuda| {
            format!(" (it needs {} or newer)", cuda.driver)
        });
        return Some(format!(
            "{} is too old for CUDA {}{oldest}; {}",
            describe_driver(driver),
            built.major,
            setup_remedy(built.is_named, &brings(build))
        ));
    }
    let Some(gpu) = driver.gpus.iter().find(|gpu| gpu.number == number) else {
        return Some(match driver.gpus.len() {
            0 => "the NVIDIA driver shows no GPU".into(),
            1 => format!("there is no GPU {number}: CUDA shows one, 0"),
            count => format!(
                "there is no GPU {number}: CUDA shows {count}, 0 to {}",
                count - 1
            ),
        });
    };
    if built.pinned.is_none_or(|build| build.has_code_for(gpu)) {
        return None;
    }
    let remedy = match suited {
        Err(why) => return Some(why),
        Ok(build) if build.has_code_for(gpu) => setup_remedy(built.is_named, &brings(build)),
        // Another build suits this GPU, but not the better ones of this machine.
        Ok(_) => "use another GPU with --provider cuda:N".into(),
    };
    Some(format!(
        "this build of ONNX Runtime has no code for {}; {remedy}",
        describe_gpu(gpu)
    ))
}

/// The GPUs that a build can run on, the one with the most free memory first; in CUDA's order among equals.
///
/// # Errors
/// Why there is none, on one line with the remedy.
pub fn by_free_memory(driver: &Driver, built: Built) -> Result<Vec<&Gpu>, String> {
    let mut usable = Vec::new();
    let mut reasons = Vec::new();
    for gpu in &driver.gpus {
        match refusal(driver, built, gpu.number) {
            None => usable.push(gpu),
            Some(why) => reasons.push(why),
        }
    }
    if usable.is_empty() {
        let first = reasons.into_iter().next();
        return Err(first.unwrap_or_else(|| "the NVIDIA driver shows no GPU".into()));
    }
    usable.sort_by_key(|gpu| std::cmp::Reverse(gpu.memory.map(|(free, _)| free)));
    Ok(usable)
}

#[cfg(test)]
mod tests;
