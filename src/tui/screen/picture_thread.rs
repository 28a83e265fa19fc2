//! The thread that draws pictures. Encoding is too slow for the thread that writes text. Writes take turns, and a
//! picture encoded for an outdated screen is dropped.

use super::{WriteResult, entered};
use crate::terminal::{Area, Painter, PlacedPicture};
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The thread, and the state that it shares with the text writer.
pub struct Pictures {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

/// The requested contents of the screen.
#[derive(Default)]
struct Wanted {
    /// Columns and rows of the screen.
    screen: (u16, u16),
    scene: Vec<PlacedPicture>,
    /// Whether the pictures on the screen are lost.
    redraws_all: bool,
    /// Where text was written, and the slots of the pictures that stood there: what was not in every scene at the same
    /// place, or had something over it for a time.
    written_over: Vec<(u32, Area)>,
    /// Number of the scene.
    version: u64,
    /// Number of the layout of pictures: what was encoded for an older one must not be written.
    layout: u64,
    is_over: bool,
}

impl Pictures {
    /// Starts the thread. `failed` is called if the terminal cannot be written to.
    pub fn start(painter: Painter, failed: impl Fn(WriteResult) + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            wanted: Mutex::default(),
            changed: Condvar::new(),
        });
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || draw(painter, &shared, &failed)
        });
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// Calls `write` for the text of a frame, then draws the pictures of its scene.
    ///
    /// # Errors
    /// If writing the text fails.
    pub fn after(
        &self,
        screen: (u16, u16),
        scene: Vec<PlacedPicture>,
        redraws_all: bool,
        write: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut wanted = self.shared.lock();
        if redraws_all || screen != wanted.screen || !places(&scene).eq(places(&wanted.scene)) {
            wanted.layout += 1;
        }
        let left: Vec<(u32, Area)> = wanted
            .scene
            .iter()
            .flat_map(|before| written_over(before, &scene))
            .collect();
        wanted.written_over.extend(left);
        wanted.screen = screen;
        wanted.scene = scene;
        wanted.redraws_all |= redraws_all;
        wanted.version += 1;
        let written = write();
        drop(wanted);
        self.shared.changed.notify_one();
        written
    }

    /// Removes the pictures and ends the thread.
    pub fn finish(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn places(scene: &[PlacedPicture]) -> impl Iterator<Item = (u32, Area, &[Area])> {
    scene
        .iter()
        .map(|placed| (placed.slot, placed.area, &placed.hidden[..]))
}

/// Areas of a picture that the next scene overwrites with text.
fn written_over(before: &PlacedPicture, scene: &[PlacedPicture]) -> Vec<(u32, Area)> {
    let same = |placed: &&PlacedPicture| (placed.slot, placed.area) == (before.slot, before.area);
    match scene.iter().find(same) {
        None => vec![(before.slot, before.area)],
        Some(placed) => {
            let covers = placed.hidden.iter();
            let new = covers.filter(|cover| !before.hidden.contains(cover));
            new.map(|cover| (before.slot, *cover)).collect()
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits for a scene other than `version`, the end, or the time of the next attempt.
    fn wait(&self, version: u64, again: Option<Instant>) -> MutexGuard<'_, Wanted> {
        let mut wanted = self.lock();
        while wanted.version == version && !wanted.is_over {
            let left = again.map(|at| at.saturating_duration_since(Instant::now()));
            wanted = match left {
                Some(Duration::ZERO) => break,
                Some(left) => match self.changed.wait_timeout(wanted, left) {
                    Ok((wanted, _)) => wanted,
                    Err(poisoned) => poisoned.into_inner().0,
                },
                None => match self.changed.wait(wanted) {
                    Ok(wanted) => wanted,
                    Err(poisoned) => poisoned.into_inner(),
                },
            };
        }
        wanted
    }
}

fn draw(mut painter: Painter, shared: &Shared, failed: &impl Fn(WriteResult)) {
    let mut version = 0;
    let mut again = None;
    loop {
        let mut wanted = shared.wait(version, again);
        if wanted.is_over {
            break;
        }
        version = wanted.version;
        let (screen, scene, layout) = (wanted.screen, wanted.scene.clone(), wanted.layout);
        if std::mem::take(&mut wanted.redraws_all) {
            painter.invalidate();
        }
        painter.written_over(&std::mem::take(&mut wanted.written_over));
        drop(wanted);
        let mut out = Gate {
            shared,
            layout,
            is_closed: false,
        };
        again = match painter.paint(&mut out, screen, &scene) {
            Ok(painted) => painted.again.map(|wait| Instant::now() + wait),
            // Another scene is available, or follows when the explorer has the terminal again.
            Err(_) if out.is_closed => None,
            Err(problem) => return failed(Err(problem.kind())),
        };
    }
    drop(painter.clear(&mut io::stdout().lock()));
}

/// Standard output, for bytes encoded for one layout of the pictures.
struct Gate<'a> {
    shared: &'a Shared,
    layout: u64,
    /// Whether something was too late to be written.
    is_closed: bool,
}

impl Write for Gate<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wanted = self.shared.lock();
        // The thread that restores the terminal waits for this lock, or has it first.
        let terminal = entered();
        if wanted.layout != self.layout || terminal.is_none() {
            self.is_closed = true;
            return Err(io::Error::other("the screen has changed meanwhile"));
        }
        io::stdout().lock().write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().lock().flush()
    }
}
