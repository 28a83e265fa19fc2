//! How many threads a session should use on the CPU.

use std::collections::HashSet;
use std::fs;

/// ONNX Runtime's value for one thread per physical core, each pinned to its core.
const ONE_PER_CORE: usize = 0;

/// One thread per physical core, but no more than this process may use: ONNX Runtime counts the
/// machine's cores, and in a container with fewer cores its threads would wait for each other.
pub(super) fn for_this_process() -> usize {
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    match physical_cores() {
        Some(cores) if cores <= allowed => ONE_PER_CORE,
        _ => allowed,
    }
}

/// The number of the machine's physical cores, on Linux.
fn physical_cores() -> Option<usize> {
    let cpus = fs::read_dir("/sys/devices/system/cpu").ok()?.flatten();
    // The threads of one core all list the same siblings.
    let cores: HashSet<String> = cpus
        .filter_map(|cpu| fs::read_to_string(cpu.path().join("topology/thread_siblings_list")).ok())
        .collect();
    (!cores.is_empty()).then_some(cores.len())
}
