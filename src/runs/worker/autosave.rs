//! Writes checkpoints while a batch runs: every few seconds, on a thread of its own, and never so often that it slows
//! the steps.

use crate::home::Home;
use crate::runs::Error;
use crate::runs::batch::Batch;
use crate::runs::checkpoint::{self, Checkpoint};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Minimum time between two checkpoints.
const PAUSE: Duration = Duration::from_secs(2);

/// Writing takes at most one part in this many of the total time.
const SHARE: u32 = 50;

/// Writes the checkpoints of one batch.
pub struct Autosave {
    home: Home,
    due: Instant,
    writing: Option<JoinHandle<Result<Duration, Error>>>,
    /// Whether a checkpoint of this batch is or may be on disk.
    is_written: bool,
}

impl Autosave {
    /// For a batch that begins now; `resumed` is whether it continues from a checkpoint.
    pub fn new(home: &Home, resumed: bool) -> Self {
        Self {
            home: home.clone(),
            due: Instant::now() + PAUSE,
            writing: None,
            is_written: resumed,
        }
    }

    /// Begins to write a checkpoint, if one is due. To be called after every step.
    ///
    /// # Errors
    /// [`Error`] of this checkpoint or of the one before. The batch can go on; the next attempt comes later.
    pub fn tick(&mut self, batch: &Batch) -> Result<(), Error> {
        if self.writing.as_ref().is_some_and(JoinHandle::is_finished) {
            let took = self.join()?;
            self.due = Instant::now() + PAUSE.max(took * SHARE);
        }
        if self.writing.is_some() || Instant::now() < self.due {
            return Ok(());
        }
        self.due = Instant::now() + PAUSE;
        let checkpoint = batch.checkpoint()?;
        let home = self.home.clone();
        let thread = std::thread::Builder::new().name("checkpoint".into());
        self.is_written = true;
        match thread.spawn(move || timed_write(&home, &checkpoint)) {
            Ok(thread) => self.writing = Some(thread),
            Err(problem) => return Err(Error::file(&self.home.checkpoints())(problem)),
        }
        Ok(())
    }

    /// Writes a checkpoint now, and returns once it is on disk.
    ///
    /// # Errors
    /// [`Error`] of this checkpoint; one that was written earlier is then still there.
    pub fn write_now(&mut self, batch: &Batch) -> Result<(), Error> {
        // The result of an earlier one does not matter any more.
        let _ = self.join();
        self.is_written = true;
        self.due = Instant::now() + PAUSE;
        checkpoint::write(&self.home, &batch.checkpoint()?)
    }

    /// Removes the checkpoint: the batch has ended.
    pub fn discard(mut self, batch: &Batch) {
        let _ = self.join();
        if self.is_written {
            checkpoint::remove(&self.home, batch.specs(), &batch.provider());
        }
    }

    /// Waits until nothing is being written.
    fn join(&mut self) -> Result<Duration, Error> {
        match self.writing.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => {
                let problem = std::io::Error::other("writing a checkpoint panicked");
                Err(Error::file(&self.home.checkpoints())(problem))
            }
            None => Ok(Duration::ZERO),
        }
    }
}

fn timed_write(home: &Home, checkpoint: &Checkpoint) -> Result<Duration, Error> {
    let start = Instant::now();
    checkpoint::write(home, checkpoint)?;
    Ok(start.elapsed())
}
