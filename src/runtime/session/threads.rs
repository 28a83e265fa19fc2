//! How many threads a session should use on the CPU.

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

/// ONNX Runtime's value for one thread per physical core, each pinned to its core.
const ONE_PER_CORE: usize = 0;

/// How many sessions compute at the same time.
static WORKERS: AtomicUsize = AtomicUsize::new(1);

/// Divides the cores among so many workers that compute on the CPU at the same time. It applies to sessions that are
/// opened from now on. At least one thread remains for each.
pub fn share_cores(workers: usize) {
    WORKERS.store(workers.max(1), Ordering::Relaxed);
}

/// Whether the threads of a session may wait busily for work. They are faster alone, but take the
/// cores of other workers.
pub(super) fn may_spin() -> bool {
    WORKERS.load(Ordering::Relaxed) == 1
}

/// One thread per physical core, but no more than this process may use: ONNX Runtime counts the
/// machine's cores, and in a container with fewer cores its threads would wait for each other.
/// Several workers share them.
pub(super) fn for_this_process() -> usize {
    let workers = WORKERS.load(Ordering::Relaxed);
    if workers > 1 {
        return (cores() / workers).max(1);
    }
    match physical_cores() {
        Some(cores) if cores <= allowed() => ONE_PER_CORE,
        _ => allowed(),
    }
}

/// The number of physical cores that this process may use; at least 1.
pub fn cores() -> usize {
    physical_cores().unwrap_or(usize::MAX).min(allowed()).max(1)
}

/// The number of processors that this process may use.
fn allowed() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
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
