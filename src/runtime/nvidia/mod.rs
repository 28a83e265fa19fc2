//! CUDA on this machine: the driver and its GPUs, NVIDIA's libraries where they lie, the build of ONNX Runtime that suits
//! them, and one line for everything that can be missing.
//!
//! - [`mod@driver`]: what the driver says
//! - [`builds`]: the pinned builds, and which one suits
//! - [`files`]: where each of NVIDIA's libraries is, loaded from there

pub mod builds;
pub mod driver;
pub mod files;

use std::path::Path;
use std::sync::OnceLock;

use builds::{Build, Cuda};
use driver::{Driver, Gpu, Trouble};

/// Files that the drivers of NVIDIA's devices make: on a server, under WSL, on a Jetson.
const DEVICE_FILES: [&str; 4] = ["dev/nvidiactl", "dev/nvidia0", "dev/dxg", "dev/nvhost-gpu"];

/// Files that tell that this process runs in a container.
const CONTAINER_FILES: [&str; 3] = [".dockerenv", "run/.containerenv", ".singularity.d"];

/// NVIDIA's number among makers of PCI devices, as Linux writes it.
const PCI_VENDOR: &str = "0x10de";

/// Whether this machine has an NVIDIA device, with or without a driver. Where it has none, nobody expects CUDA.
pub fn has_device() -> bool {
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

/// The driver of this machine, asked once a process.
///
/// # Errors
/// One line with the remedy.
pub fn driver() -> Result<&'static Driver, &'static str> {
    static ASKED: OnceLock<Result<Driver, String>> = OnceLock::new();
    let asked = ASKED.get_or_init(|| {
        driver::ask(&driver::Names::default()).map_err(|trouble| {
            let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
            let machine = Machine {
                has_device: has_device(),
                is_container: is_container(Path::new("/")),
            };
            why_no_driver(&trouble, machine, visible.as_deref())
        })
    });
    asked.as_ref().map_err(String::as_str)
}

/// What kind of machine has no driver's library.
#[derive(Debug, Clone, Copy)]
struct Machine {
    has_device: bool,
    is_container: bool,
}

/// What keeps the driver from answering, and what to do.
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

/// A driver as messages call it: `driver 550.54.15 (CUDA 12.4)`.
fn told(driver: &Driver) -> String {
    let (major, minor) = driver.cuda;
    let release = driver.release.as_deref();
    let release = release.map_or(String::new(), |release| format!(" {release}"));
    format!("driver{release} (CUDA {major}.{minor})")
}

/// A GPU as messages call it: `NVIDIA H100 (compute capability 9.0)`.
fn named(gpu: &Gpu) -> String {
    let (major, minor) = gpu.capability;
    format!("{} (compute capability {major}.{minor})", gpu.name)
}

/// What a loaded build of ONNX Runtime is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// CUDA's generation: 12 or 13.
    pub major: u32,
    /// The pinned build, if it is one; of others nobody knows what they have code for.
    pub pinned: Option<&'static Build>,
}

/// Why a build cannot run on the GPU of a number, in one line with the remedy; `None` if nothing speaks against it.
pub fn refusal(driver: &Driver, built: Built, number: u32) -> Option<String> {
    let suited = builds::choose(Some(driver));
    let other = suited
        .as_ref()
        .ok()
        .filter(|build| Some(**build) != built.pinned);
    // What fetches another build, or why there is none.
    let remedy = match (other, &suited) {
        (Some(build), _) => format!(
            "`ziggurat setup --gpu` downloads the build for CUDA {}",
            build.cuda.major
        ),
        (None, Err(why)) => why.clone(),
        (None, Ok(_)) => "update the driver".into(),
    };
    if driver.cuda.0 < built.major {
        let oldest = Cuda::of(built.major).map_or(String::new(), |cuda| {
            format!(" (it needs {} or newer)", cuda.driver)
        });
        return Some(match suited {
            Err(why) => why,
            Ok(_) => format!(
                "{} is too old for CUDA {}{oldest}; {remedy}",
                told(driver),
                built.major
            ),
        });
    }
    let Some(gpu) = driver.gpus.iter().find(|gpu| gpu.number == number) else {
        return Some(match driver.gpus.len() {
            0 => "the NVIDIA driver shows no GPU".into(),
            1 => format!("there is no GPU {number}: CUDA sees one, 0"),
            count => format!(
                "there is no GPU {number}: CUDA sees {count}, 0 to {}",
                count - 1
            ),
        });
    };
    let lacks_code = built.pinned.is_some_and(|build| !build.has_code_for(gpu));
    lacks_code.then(|| {
        format!(
            "this build of ONNX Runtime has no code for {}; {remedy}",
            named(gpu)
        )
    })
}

/// The GPU that `auto` takes: of those that a build has code for, the one with most free memory; the first among equals.
pub fn freest(driver: &Driver, built: Built) -> Option<&Gpu> {
    let usable = driver
        .gpus
        .iter()
        .filter(|gpu| refusal(driver, built, gpu.number).is_none());
    usable.reduce(|best, gpu| {
        let free = |gpu: &Gpu| gpu.memory.map(|(free, _)| free);
        if free(gpu) > free(best) { gpu } else { best }
    })
}

#[cfg(test)]
mod tests;
