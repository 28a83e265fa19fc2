//! For tests: ONNX Runtime, downloaded once per checkout.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::{Device, Library, Plugin, Provider, package, plugin};
use crate::home::Home;

/// The folders that tests share: below `ZIGGURAT_HOME` if that is set, else below the checkout's `target`.
pub fn home() -> Home {
    let set = std::env::var_os("ZIGGURAT_HOME").filter(|root| !root.is_empty());
    let root = set.map(PathBuf::from).unwrap_or_else(|| {
        let checkout = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| ".".into());
        Path::new(&checkout).join("target").join("test-home")
    });
    Home::at(&root)
}

/// ONNX Runtime, loaded.
///
/// # Panics
/// If it can be neither found nor downloaded: a test that needs it cannot pass.
pub fn library() -> &'static Library {
    Library::load(&home(), &package::quiet).unwrap_or_else(|error| panic!("{error}"))
}

/// The devices that must work: `1` for any, or names as for `--provider`, between commas.
const REQUIRE: &str = "ZIGGURAT_REQUIRE_GPU";

/// The devices beside the CPU that work here: CUDA on the first GPU, and WebGPU, whose plugin is
/// downloaded where there is Vulkan. The reason why one does not work is printed.
///
/// # Panics
/// If a device that `ZIGGURAT_REQUIRE_GPU` names does not work: skipped tests would look like passed ones.
pub fn devices() -> &'static [Device] {
    static FOUND: OnceLock<Vec<Device>> = OnceLock::new();
    FOUND.get_or_init(|| {
        library();
        if ort::util::preload_dylib("libvulkan.so.1").is_ok() {
            plugin::fetch_webgpu(&home().runtime(), &package::quiet)
                .unwrap_or_else(|error| panic!("{error}"));
        }
        let mut found = Vec::new();
        for device in [Device::Cuda(0), Device::Plugin(Plugin::WebGpu)] {
            match Provider::from(device).resolve() {
                Ok(_) => found.push(device),
                Err(error) => println!("skipped: {error}"),
            }
        }
        if let Err(missing) = meets(&std::env::var(REQUIRE).unwrap_or_default(), &found) {
            panic!("{REQUIRE} asks for {missing}, which does not work here");
        }
        found
    })
}

/// Checks that the required devices were found; the error is the first missing one.
fn meets(required: &str, found: &[Device]) -> Result<(), String> {
    let is_there = |name: &str| {
        let wanted: Result<Provider, _> = name.parse();
        let mut found = found.iter().map(|device| Provider::from(*device));
        wanted.is_ok_and(|wanted| found.any(|device| device == wanted))
    };
    match required {
        "" | "0" => Ok(()),
        "1" if found.is_empty() => Err("a GPU".into()),
        "1" => Ok(()),
        names => match names.split(',').find(|name| !is_there(name)) {
            Some(name) => Err(name.into()),
            None => Ok(()),
        },
    }
}

/// Held by a test while it uses a device: the tests of one process would only slow each other down.
pub fn device_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_and_missing_is_a_failure() {
        let webgpu = Device::Plugin(Plugin::WebGpu);
        for (required, found, missing) in [
            ("", &[][..], None),
            ("0", &[], None),
            ("1", &[], Some("a GPU")),
            ("1", &[webgpu], None),
            ("webgpu", &[webgpu], None),
            ("webgpu,cuda", &[webgpu], Some("cuda")),
            ("cuda:0", &[Device::Cuda(0)], None),
            ("cuda:1", &[Device::Cuda(0)], Some("cuda:1")),
            ("yes", &[webgpu], Some("yes")),
        ] {
            assert_eq!(
                meets(required, found).err().as_deref(),
                missing,
                "{required}"
            );
        }
    }
}
