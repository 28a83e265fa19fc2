//! The thread that makes runs: it owns the open networks and their sessions, takes [`WorkerCommand`]s, and posts
//! [`WorkerEvent`]s.
//!
//! The explorer and this thread never wait for each other: commands go through a channel, events through a mailbox in
//! which a newer picture or number replaces an unread one. The command line uses the [driver](super::driver) without a
//! thread.

mod autosave;
mod batch_steps;
mod job_index;
mod live_classifier;
mod load_model;
mod mailbox;
mod opening;
pub mod photo;
mod photo_interrupt;
mod photo_probe;
mod pool;
mod progress;
mod restart;
mod run_batch;
mod thread;
mod transfers;
mod verdicts;

pub use load_model::{ModelInfo, OpenOptions};
pub use pool::WorkerPool;
pub use progress::BatchProgress;

use super::queue::{Job, JobId};
use super::{Record, Spec};
use crate::ascent::Overlay;
use crate::home::Home;
use crate::runtime::{CancelHandle, Provider};
use image::RgbImage;
use mailbox::Mailbox;
use photo_interrupt::PhotoInterrupt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use thread::{Message, WorkerThread};

/// How long [`Worker`]'s drop waits for the thread: as long as a checkpoint takes.
const PATIENCE: Duration = Duration::from_millis(1500);

/// A command to the worker.
#[derive(Debug, Clone)]
pub enum WorkerCommand {
    /// Opens a model to explore: a card's name or a path; `None` is the default model. Runs continue meanwhile.
    Open(Option<String>),
    /// Runs these jobs in one batch, after those that wait. Their model is opened if necessary.
    Run(Vec<Job>),
    /// Looks up the targets of runs in another model, which is opened if necessary. Runs continue meanwhile.
    Transfer {
        model: String,
        runs: Vec<TransferSource>,
    },
    /// Names the models that judge the pictures from now on: cards or paths.
    Judges(Vec<String>),
    /// Pauses between two steps, until [`WorkerCommand::Resume`].
    Pause,
    Resume,
    /// Writes a checkpoint of the current batch, if this job is in it, and leaves it without
    /// further events. It continues from there when its jobs are sent again.
    SetAside(JobId),
    /// Drops a job, whether it is running or waiting. The rest of its batch continues.
    Cancel(JobId),
    /// Sends pictures of these jobs while they run, seen through an overlay; of no others from now on.
    Watch(Watched, Overlay),
    /// Answers a question about a photo with an open model: at once, or between two steps of a run.
    Photo(photo::Question),
    /// Cancels all questions about this photo.
    LeavePhoto(PathBuf),
    /// Writes a checkpoint of the current batch, and ends the thread.
    Shutdown,
}

/// The jobs that send pictures while they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// This one.
    One(JobId),
    /// Every job of the current batch.
    All,
}

/// A run to repeat in another model.
#[derive(Debug, Clone)]
pub enum TransferSource {
    Spec(Box<Spec>),
    /// A run of the history, by its id.
    Stored(String),
}

/// An event of the worker.
#[derive(Debug, Clone)]
pub enum WorkerEvent {
    /// A library or model is being downloaded (bytes so far and in total), opened, or prepared; `model` is what was
    /// asked for.
    Stage {
        model: String,
        text: String,
        bytes: Option<(u64, u64)>,
    },
    /// The answer to the last [`WorkerCommand::Open`]: a model that was asked for before it is not reported.
    Opened(Arc<ModelInfo>),
    /// The other answer to [`WorkerCommand::Open`]; `model` is what was asked for.
    OpenFailed { model: String, why: String },
    /// The answer to [`WorkerCommand::Transfer`]: the runs in the model, and one line per run that is impossible there.
    Transferred {
        /// The model's display name; the requested one if it could not be opened.
        model: String,
        opened: Option<Arc<ModelInfo>>,
        specs: Vec<Spec>,
        problems: Vec<String>,
    },
    /// The device failed, and runs of this model use another one from now on; `note` is one line.
    Moved {
        /// As in [`ModelInfo::model`].
        model: String,
        provider: String,
        note: String,
    },
    /// The device does not work: the worker makes no runs from now on. Only where other workers can take over.
    Retired {
        /// The runs that another worker is to make.
        jobs: Vec<Job>,
        /// Why, one line.
        why: String,
        /// How many workers are left.
        workers: usize,
    },
    /// A batch begins.
    Started(Started),
    /// A step was taken. A newer one replaces an unread one and includes its scores.
    Stepped(BatchProgress),
    /// A picture of a watched job, of the current octave's size. A newer one of that job replaces an unread one.
    Snapshot {
        job: JobId,
        /// Steps taken.
        step: usize,
        /// The overlay of the picture: [`Overlay::Plain`] if the requested one is not available.
        overlay: Overlay,
        picture: Arc<RgbImage>,
    },
    /// Whether the worker is paused.
    Paused(bool),
    /// A job is finished and stored in the history.
    Finished {
        job: JobId,
        record: Box<Record>,
        picture: Arc<RgbImage>,
        /// Whether the history had it already.
        from_history: bool,
    },
    /// A job failed; `why` is one line.
    Failed { job: JobId, why: String },
    /// A job was cancelled.
    Cancelled { job: JobId },
    /// The answer to [`WorkerCommand::Photo`].
    Photo(photo::Answer),
    /// A notice to the user, one line; runs continue.
    Notice(String),
}

/// A batch that begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    pub jobs: Vec<JobId>,
    /// Total number of steps.
    pub steps: usize,
    /// Steps that were taken before, if it continues from a checkpoint.
    pub resumed_at: usize,
    /// Steps on each octave, coarse to fine.
    pub octaves: Vec<usize>,
    /// The scores of those steps, one list per job.
    pub scores: Vec<Vec<f32>>,
    /// Height and width of the finished pictures.
    pub size: (usize, usize),
    /// Whether there is a class activation map.
    pub has_map: bool,
    /// Number of frequency bands of the gradient that can be shown.
    pub bands: u32,
}

/// The device of a worker.
#[derive(Debug, Clone)]
pub struct WorkerDevice {
    pub provider: Provider,
    /// Those of all workers that share the runs out: what one has finished, the history has for the others.
    pub all: Vec<Provider>,
    /// Whether other workers can take over if the device does not work.
    pub is_replaceable: bool,
}

impl From<Provider> for WorkerDevice {
    fn from(provider: Provider) -> Self {
        Self {
            provider,
            all: vec![provider],
            is_replaceable: false,
        }
    }
}

/// The handle of a worker. Dropping it shuts the worker down.
pub struct Worker {
    commands: Sender<Message>,
    mailbox: Arc<Mailbox>,
    stop: CancelHandle,
    interrupt: Arc<PhotoInterrupt>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread; `options` apply whenever their model is opened. `wake` is called, from another thread, when
    /// there are new events.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn spawn(
        home: Home,
        device: impl Into<WorkerDevice>,
        options: OpenOptions,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = mpsc::channel();
        let mailbox = Arc::new(Mailbox::new(Box::new(wake)));
        let stop = CancelHandle::default();
        let worker = WorkerThread::new(
            home,
            (device.into(), options),
            (commands.clone(), inbox),
            mailbox.clone(),
            stop.clone(),
        );
        let interrupt = worker.interrupt();
        let thread = std::thread::Builder::new().name("worker".into());
        Ok(Self {
            commands,
            mailbox,
            stop,
            interrupt,
            thread: Some(thread.spawn(move || worker.work())?),
        })
    }

    /// Sends a command; returns at once. After [`WorkerCommand::Shutdown`] there are no more events.
    pub fn send(&self, command: WorkerCommand) {
        let interrupts = matches!(command, WorkerCommand::Cancel(_) | WorkerCommand::Shutdown);
        // It fails only if the thread has ended.
        let _ = self.commands.send(Message::Command(command.clone()));
        self.interrupt.handle(&command);
        // The command is sent before the step is interrupted, so that the thread finds it.
        if interrupts {
            self.stop.stop();
        }
    }

    /// All events since the last call, oldest first.
    pub fn events(&self) -> Vec<WorkerEvent> {
        self.mailbox.drain()
    }

    /// Shuts the worker down and waits for it, at most `limit`. Returns whether it has ended.
    pub fn shut_down(&mut self, limit: Duration) -> bool {
        self.send(WorkerCommand::Shutdown);
        let until = Instant::now() + limit;
        while self
            .thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
        {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        if let Some(thread) = self.thread.take() {
            // A panic was reported as an event.
            let _ = thread.join();
        }
        true
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.shut_down(PATIENCE);
        }
    }
}
