//! Providers that are libraries of their own (ONNX Runtime's plugin interface): WebGPU, which runs
//! on Vulkan, D3D12 or Metal, and, experimentally, any other.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::AsPointer;
use ort::device::Device;
use ort::memory::{DeviceType, MemoryInfo};
use ort::session::builder::SessionBuilder;

use super::{Library, Package, ProgressCallback};
use crate::catch_panic;
use crate::text::joined_lines;

/// A plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plugin {
    /// WebGPU, as `setup --webgpu` downloads it.
    WebGpu,
    /// A library that the user names, with options: `PATH`, or `PATH,KEY=VALUE,…` as it was written.
    Library(&'static str),
}

/// The pinned WebGPU plugins. MIT licensed; they need ONNX Runtime 1.24.4 or newer and, on Linux, libvulkan.so.1.
const WEBGPU: [(&str, Package); 2] = [
    (
        "x86_64",
        Package {
            name: "onnxruntime-ep-webgpu",
            version: "0.4.0",
            sha256: "5d8c961eda91a88961cad1fb7621f389f006b18497d6ea9ecf96f729f066cbfb",
            bytes: 6_892_120,
            platform: Some("manylinux_2_28_x86_64"),
        },
    ),
    (
        "aarch64",
        Package {
            name: "onnxruntime-ep-webgpu",
            version: "0.4.0",
            sha256: "17f660db53b1a509c63e721ac6784a2daa1c4e91a968523ee9986505ee5b0a55",
            bytes: 6_096_222,
            platform: Some("manylinux_2_28_aarch64"),
        },
    ),
];

const WEBGPU_FILE: &str = "libonnxruntime_providers_webgpu.so";

/// The option that selects one of the plugin's devices, from 0. Ziggurat does not pass it to the provider.
const DEVICE_OPTION: &str = "device";

/// The pinned WebGPU plugin for this machine, if there is one.
pub fn webgpu_package() -> Option<Package> {
    let fits = cfg!(all(target_os = "linux", target_env = "gnu"));
    let here = |(arch, _): &&(&str, Package)| fits && *arch == std::env::consts::ARCH;
    WEBGPU.iter().find(here).map(|(_, package)| *package)
}

/// Downloads the pinned WebGPU plugin into `runtime`, unless it is there. Returns the path of its library.
///
/// # Errors
/// As [`Package::fetch`]; [`super::Error::NoPlugin`] if none is pinned for this machine.
pub fn fetch_webgpu(
    runtime: &Path,
    progress: &ProgressCallback<'_>,
) -> Result<PathBuf, super::Error> {
    let package = webgpu_package().ok_or_else(no_plugin)?;
    let folder = package.fetch(&package.folder(runtime), &keep_webgpu, progress)?;
    Ok(folder.join(WEBGPU_FILE))
}

/// The error on a machine for which no WebGPU plugin is pinned.
fn no_plugin() -> super::Error {
    super::Error::NoPlugin {
        system: format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
    }
}

/// Selects from the wheel: the library and the licence files.
fn keep_webgpu(entry: &str) -> Option<PathBuf> {
    let name = entry.rsplit('/').next()?;
    [WEBGPU_FILE, "LICENSE", "ThirdPartyNotices.txt"]
        .contains(&name)
        .then(|| name.into())
}

impl Plugin {
    /// A library as the user writes it: `PATH`, or `PATH,KEY=VALUE,…`. `None` if it is not well formed.
    pub fn library(text: &str) -> Option<Self> {
        static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let (path, options) = split_options(text);
        let well_formed = options.iter().all(|option| {
            let (key, value) = option.split_once('=').unwrap_or_default();
            !key.is_empty() && (key != DEVICE_OPTION || value.parse::<usize>().is_ok())
        });
        if path.is_empty() || !well_formed {
            return None;
        }
        // Each different text is leaked once, so that devices are `Copy`.
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = known.get(text).copied().unwrap_or_else(|| {
            let kept: &'static str = Box::leak(text.to_string().into_boxed_str());
            known.insert(kept);
            kept
        });
        Some(Self::Library(kept))
    }

    /// The path of its library, or why there is none.
    fn path(self, library: &Library) -> Result<PathBuf, String> {
        match self {
            Self::Library(text) => {
                let path = PathBuf::from(split_options(text).0);
                if path.is_file() {
                    std::path::absolute(&path).map_err(|error| error.to_string())
                } else {
                    Err(format!(
                        "no such file: {}; --provider plugin:PATH expects the path of a plugin library",
                        crate::text::quoted(split_options(text).0)
                    ))
                }
            }
            Self::WebGpu => {
                let package = webgpu_package().ok_or_else(|| no_plugin().to_string())?;
                let path = package.folder(library.runtime()).join(WEBGPU_FILE);
                if path.is_file() {
                    Ok(path)
                } else {
                    Err(format!(
                        "plugin not downloaded; run `ziggurat setup --webgpu` ({:.0} MB)",
                        package.bytes as f64 / 1e6
                    ))
                }
            }
        }
    }

    /// The options of its provider.
    fn options(self) -> Vec<(&'static str, &'static str)> {
        match self {
            // Without it, nodes on int64 tensors run on the CPU, with copies there and back.
            Self::WebGpu => vec![("enableInt64", "1")],
            Self::Library(text) => {
                let options = split_options(text).1.into_iter();
                let options = options.filter_map(|option| option.split_once('='));
                options.filter(|(key, _)| *key != DEVICE_OPTION).collect()
            }
        }
    }

    /// The number of the device to use; `None`: the first GPU, or else the first device.
    fn device_number(self) -> Option<usize> {
        let Self::Library(text) = self else {
            return None;
        };
        let mut options = split_options(text).1.into_iter();
        let found =
            options.find_map(|option| option.strip_prefix(DEVICE_OPTION)?.strip_prefix('='));
        found.and_then(|number| number.parse().ok())
    }

    /// The device that sessions run on. Registers the plugin first, once per process and library.
    fn device(self, library: &'static Library) -> Result<Device<'static>, String> {
        let environment = library.environment();
        let its = registered(library, &self.path(library)?)?;
        let address = |device: &Device| device.ptr() as usize;
        let mut devices: Vec<Device> = environment
            .devices()
            .filter(|device| its.contains(&address(device)))
            .collect();
        if devices.is_empty() {
            return Err(self.why_no_device().into());
        }
        let is_gpu = |device: &Device| device.hardware_device().ty() == DeviceType::GPU;
        let count = devices.len();
        let place = match self.device_number() {
            Some(place) if place < count => place,
            Some(place) => {
                return Err(format!(
                    "the plugin has no device {place}: it found {count}, numbered from 0"
                ));
            }
            None => devices.iter().position(is_gpu).unwrap_or(0),
        };
        Ok(devices.swap_remove(place))
    }

    fn why_no_device(self) -> &'static str {
        match self {
            Self::WebGpu => {
                "no WebGPU device found: install the Vulkan loader (libvulkan.so.1) and the GPU's Vulkan driver; in a container NVIDIA_DRIVER_CAPABILITIES must include graphics"
            }
            Self::Library(_) => {
                "the plugin found no device on this machine: install the driver of its device, or use another --provider (`ziggurat doctor` lists them)"
            }
        }
    }

    /// Registers the provider with a session that is being built.
    pub(super) fn register(
        self,
        library: &'static Library,
        builder: SessionBuilder,
        graph_capture: bool,
    ) -> Result<SessionBuilder, String> {
        let device = self.device(library)?;
        let provider = device
            .ep()
            .map_err(|error| joined_lines(&error.to_string()))?;
        let capture =
            (graph_capture && self == Self::WebGpu).then_some(("enableGraphCapture", "1"));
        let options: Vec<(String, String)> = self
            .options()
            .into_iter()
            .chain(capture)
            .map(|(key, value)| (format!("{provider}.{key}"), value.to_string()))
            .collect();
        builder
            .with_devices([device], Some(&options))
            .map_err(|error| joined_lines(&error.to_string()))
    }

    /// The memory of its tensors.
    pub(super) fn memory(self, library: &'static Library) -> Result<MemoryInfo<'static>, String> {
        let device = self.device(library)?;
        // The binding panics for a virtual device, which has no memory.
        catch_panic::catch(|| device.memory_info(false).to_owned())
            .map_err(|_| "this device has no memory of its own and cannot run a model".to_string())
    }
}

/// The addresses of the devices of a plugin library, which is registered if it is not yet.
fn registered(library: &'static Library, path: &Path) -> Result<Vec<usize>, String> {
    type Registered = HashMap<PathBuf, Result<Vec<usize>, String>>;
    static REGISTERED: Mutex<Option<Registered>> = Mutex::new(None);
    let mut registered = REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
    let registered = registered.get_or_insert_default();
    if let Some(known) = registered.get(path) {
        return known.clone();
    }
    let environment = library.environment();
    let devices = || environment.devices().map(|device| device.ptr() as usize);
    let before: Vec<usize> = devices().collect();
    let name = format!("ziggurat-plugin-{}", registered.len());
    let new = super::shared_library::check(path, None)
        .map_err(|why| format!("{why}; {ADVICE}"))
        .and_then(|()| {
            let registered = environment.register_ep_library(name, path);
            registered.map_err(|error| not_a_plugin(path, &joined_lines(&error.to_string())))
        })
        .map(|()| devices().filter(|one| !before.contains(one)).collect());
    registered.insert(path.into(), new.clone());
    new
}

/// What to do if a file is no plugin.
const ADVICE: &str = "--provider plugin:PATH expects the path of a plugin library for ONNX Runtime";

/// Why ONNX Runtime takes no plugin from a file, from its message, and what to do.
fn not_a_plugin(path: &Path, message: &str) -> String {
    let name = crate::text::quoted(&path.display().to_string());
    // The message names the path, once or twice, before the loader's own words.
    let place = format!("{}: ", path.display());
    let reason = message.rsplit(place.as_str()).next().unwrap_or(message);
    if message.contains("CreateEpFactories") {
        format!("{name} is a library, but no plugin for ONNX Runtime; {ADVICE}")
    } else if message.contains("Failed to load library") {
        format!("{name} cannot be loaded as a library ({reason}); {ADVICE}")
    } else {
        format!("{name}: {reason}; {ADVICE}")
    }
}

impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WebGpu => f.write_str("webgpu"),
            Self::Library(text) => write!(f, "plugin:{text}"),
        }
    }
}

/// Splits what the user writes into path and options.
fn split_options(text: &str) -> (&str, Vec<&str>) {
    let mut parts = text.split(',');
    let path = parts.next().unwrap_or_default();
    (path, parts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_a_path_with_options() {
        let plugin = Plugin::library("/opt/libx.so,a=1,device=2,b=x=y").unwrap();
        assert_eq!(plugin.options(), [("a", "1"), ("b", "x=y")]);
        assert_eq!(plugin.device_number(), Some(2));
        assert_eq!(plugin.to_string(), "plugin:/opt/libx.so,a=1,device=2,b=x=y");
        assert_eq!(Plugin::library("/opt/libx.so").unwrap().options(), []);
        for wrong in ["", ",a=1", "/x,a", "/x,=1", "/x,device=first"] {
            assert_eq!(Plugin::library(wrong), None, "{wrong}");
        }
        let (one, other) = (Plugin::library("/x,a=1"), Plugin::library("/x,a=1"));
        assert_eq!(one, other);
    }

    #[test]
    fn what_is_no_plugin_is_named_with_the_reason_and_the_remedy() {
        for (message, expected) in [
            (
                "Failed to load library /a/b.so with error: /a/b.so: invalid ELF header",
                "\"/a/b.so\" cannot be loaded as a library (invalid ELF header); --provider plugin:PATH",
            ),
            (
                "Failed to get symbol CreateEpFactories with error: /a/b.so: undefined symbol: CreateEpFactories",
                "\"/a/b.so\" is a library, but no plugin for ONNX Runtime; --provider plugin:PATH",
            ),
            (
                "some other reason",
                "\"/a/b.so\": some other reason; --provider",
            ),
        ] {
            let why = not_a_plugin(Path::new("/a/b.so"), message);
            assert!(why.starts_with(expected), "{why}");
        }
    }

    #[test]
    fn the_library_and_the_licences_are_selected_from_the_wheel() {
        for (entry, kept) in [
            (
                "onnxruntime_ep_webgpu/libonnxruntime_providers_webgpu.so",
                true,
            ),
            (
                "onnxruntime_ep_webgpu-0.4.0.dist-info/licenses/LICENSE",
                true,
            ),
            ("onnxruntime_ep_webgpu/__init__.py", false),
        ] {
            assert_eq!(keep_webgpu(entry).is_some(), kept, "{entry}");
        }
    }
}
