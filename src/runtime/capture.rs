//! Graph capture: a device records the work of a step once and replays it (CUDA graphs, and the same of WebGPU), which
//! spares the host the launch of every kernel. A recording has the addresses of its inputs and outputs in it, so only
//! [`super::DeviceLoop`] uses it: its tensors keep their places.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use ort::session::RunOptions;

use super::{Device, Plugin};
use crate::variables;

/// The option of a run that names its recording, for all providers.
const GRAPH: &str = "gpu_graph_id";

/// The name of no recording: such a run is neither recorded nor replayed.
const NONE: i32 = -1;

/// The next name. Names are unique within the process, and so within each session.
static NEXT: AtomicI32 = AtomicI32::new(1);

/// How many devices other than the CPU compute at the same time.
static DEVICES: AtomicUsize = AtomicUsize::new(1);

/// Whether ascents are to use graph capture, where the device can.
pub fn is_wanted() -> bool {
    variables::switch(variables::GRAPH_CAPTURE).unwrap_or(false)
}

/// Tells how many devices other than the CPU compute at the same time in this process.
pub fn share_devices(devices: usize) {
    DEVICES.store(devices, Ordering::Relaxed);
}

/// Why nothing can be recorded on a device that could be expected to; an error of one line.
pub fn refusal(device: Device) -> Option<String> {
    match device {
        Device::Cpu | Device::Plugin(Plugin::WebGpu) => None,
        // While CUDA records, it forbids the calls of other threads that wait for the GPU or allocate memory.
        Device::Cuda(_) if DEVICES.load(Ordering::Relaxed) > 1 => {
            Some("several devices compute in this process".into())
        }
        Device::Cuda(_) => None,
        Device::TensorRt(_) | Device::Plugin(Plugin::Library(_)) => {
            Some("it is available with cuda and webgpu only".into())
        }
    }
}

/// Options of runs that are not recorded.
pub(super) fn no_graph() -> ort::Result<Arc<RunOptions>> {
    named(NONE)
}

/// Options of runs that are recorded the first time and replayed from then on.
pub(super) fn new_graph() -> ort::Result<Arc<RunOptions>> {
    named(NEXT.fetch_add(1, Ordering::Relaxed))
}

fn named(graph: i32) -> ort::Result<Arc<RunOptions>> {
    let mut options = RunOptions::new()?;
    options.set(GRAPH, graph.to_string())?;
    Ok(Arc::new(options))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::testing;

    #[test]
    fn every_recording_has_a_name_of_its_own() {
        testing::library();
        let name = |options: ort::Result<Arc<RunOptions>>| {
            let mut options = Arc::into_inner(options.unwrap()).unwrap();
            options.get(GRAPH).unwrap()
        };
        assert_eq!(name(no_graph()), "-1");
        let (one, other) = (name(new_graph()), name(new_graph()));
        assert_ne!(one, other);
        assert!(one.parse::<i32>().unwrap() > 0);
    }

    #[test]
    fn a_device_that_cannot_record_is_refused_with_the_reason() {
        let other = Plugin::library("/x.so").unwrap();
        for device in [Device::TensorRt(0), Device::Plugin(other)] {
            let why = refusal(device).unwrap();
            assert_eq!(why, "it is available with cuda and webgpu only");
        }
        for device in [Device::Cpu, Device::Plugin(Plugin::WebGpu)] {
            assert_eq!(refusal(device), None);
        }
    }
}
