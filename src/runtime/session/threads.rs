//! How many threads a session should use on the CPU.

use std::collections::HashSet;
use std::fs;

/// ONNX Runtime's word for: one thread a physical core, each kept on its core.
const ONE_A_CORE: usize = 0;

/// One thread a physical core, but no more than this process may use: ONNX Runtime counts the machine's cores, and in a
/// container with few of them its threads would wait for each other.
pub(super) fn for_this_process() -> usize {
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    match physical_cores() {
        Some(cores) if cores <= allowed => ONE_A_CORE,
        _ => allowed,
    }
}

/// The machine's physical cores, where Linux tells.
fn physical_cores() -> Option<usize> {
    let cpus = fs::read_dir("/sys/devices/system/cpu").ok()?.flatten();
    // The threads of one core all list the same siblings.
    let cores: HashSet<String> = cpus
        .filter_map(|cpu| fs::read_to_string(cpu.path().join("topology/thread_siblings_list")).ok())
        .collect();
    (!cores.is_empty()).then_some(cores.len())
}
