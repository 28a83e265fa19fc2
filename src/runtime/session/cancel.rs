//! Cancellation of sessions from any thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ort::session::RunOptions;
use ort::session::builder::LoadCanceler;

/// Stops sessions: a run in progress ends within milliseconds (at the next node), the opening of a
/// session is aborted, and both return [`super::Error::Stopped`], as does every later call until
/// [`CancelHandle::reset`]. Clones share one state.
#[derive(Clone, Default)]
pub struct CancelHandle(Arc<Mutex<Watched>>);

#[derive(Default)]
struct Watched {
    stopped: bool,
    runs: Vec<Weak<RunOptions>>,
    loads: Vec<(u64, LoadCanceler)>,
    next: u64,
}

impl CancelHandle {
    /// Stops every session that uses this handle.
    pub fn stop(&self) {
        let mut watched = self.lock();
        watched.stopped = true;
        // This sets a flag, which cannot fail.
        for run in watched.alive() {
            let _ = run.terminate();
        }
        for (_, load) in &watched.loads {
            let _ = load.cancel();
        }
    }

    /// Lets sessions run again.
    pub fn reset(&self) {
        let mut watched = self.lock();
        watched.stopped = false;
        for run in watched.alive() {
            let _ = run.unterminate();
        }
    }

    /// Whether it was stopped and not reset.
    pub fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    pub(super) fn watch_runs(&self, options: &Arc<RunOptions>) {
        let mut watched = self.lock();
        watched.runs.push(Arc::downgrade(options));
        if watched.stopped {
            let _ = options.terminate();
        }
    }

    /// Watches the building of a session until the returned guard is dropped.
    pub(super) fn watch_load(&self, canceler: LoadCanceler) -> impl Drop {
        let mut watched = self.lock();
        if watched.stopped {
            let _ = canceler.cancel();
        }
        let id = watched.next;
        watched.next += 1;
        watched.loads.push((id, canceler));
        Loading {
            stop: self.clone(),
            id,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// The runs of sessions that still exist; the others are dropped.
    fn alive(&mut self) -> Vec<Arc<RunOptions>> {
        self.runs.retain(|run| run.strong_count() > 0);
        self.runs.iter().filter_map(Weak::upgrade).collect()
    }
}

struct Loading {
    stop: CancelHandle,
    id: u64,
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.stop.lock().loads.retain(|(id, _)| *id != self.id);
    }
}

impl std::fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CancelHandle({})", self.is_stopped())
    }
}
