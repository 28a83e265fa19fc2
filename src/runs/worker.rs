//! The thread that makes the pictures: it owns the opened networks and their sessions, takes [`Command`]s, and answers
//! with [`Report`]s.
//!
//! Nobody waits for anybody: commands go through a channel, reports through a mailbox in which a newer picture or number
//! replaces an older one that was not read. For the explorer; the command line uses [`super::batch`] directly.

mod bench;
mod climb;
mod looking;
mod mailbox;
mod opening;
mod opinion;
pub mod photo;
mod progress;
mod transfers;
mod verdicts;

pub use opening::{Opened, Told};
pub use progress::Progress;

use super::queue::{Job, JobId};
use super::{Record, Spec};
use crate::ascent::Overlay;
use crate::home::Home;
use crate::runtime::{Provider, Stop};
use bench::{Bench, Message};
use image::RgbImage;
use looking::Looking;
use mailbox::Mailbox;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long [`Worker`]'s drop waits for the thread: as long as a checkpoint takes.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What a worker is asked to do.
#[derive(Debug, Clone)]
pub enum Command {
    /// Opens a model to look at: a card's name or a path; `None` is the default model. Runs go on meanwhile.
    Open(Option<String>),
    /// Makes these jobs in one batch, after those that it has already. A model that is not open is opened.
    Run(Vec<Job>),
    /// Looks up in a model what runs of other models climb; it is opened if need be. Runs go on meanwhile.
    Transfer {
        model: String,
        runs: Vec<Origin>,
    },
    /// Names the models that judge the pictures from now on: cards or paths.
    Judges(Vec<String>),
    /// Rests between two steps, until [`Command::Resume`].
    Pause,
    Resume,
    /// Writes a checkpoint of the batch under way and leaves it: nothing more is heard of its jobs. It goes on from there
    /// when they are asked for again.
    SetAside,
    /// Drops a job, whether it runs or waits. The rest of its batch goes on.
    Cancel(JobId),
    /// Sends pictures of these jobs while they run, seen through an overlay; of no others from now on.
    Watch(Watched, Overlay),
    /// Looks at a photo with a model that is open: at once, or between two steps of what runs.
    Photo(photo::Question),
    /// Nobody looks at this photo any more: what was asked about it is not answered, unless it has been.
    LeavePhoto(PathBuf),
    /// Writes a checkpoint of what runs, and ends the thread.
    Shutdown,
}

/// Which jobs send pictures while they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// This one.
    One(JobId),
    /// Every job of the batch under way.
    All,
}

/// A run that is to be made in another model too.
#[derive(Debug, Clone)]
pub enum Origin {
    Spec(Box<Spec>),
    /// One in history, by its id.
    Kept(String),
}

/// What a worker tells.
#[derive(Debug, Clone)]
pub enum Report {
    /// What is being waited for: a library or model being fetched (bytes so far and in all), opened, or prepared.
    Stage {
        text: String,
        bytes: Option<(u64, u64)>,
    },
    /// The answer to [`Command::Open`].
    Opened(Arc<Opened>),
    /// The other answer to [`Command::Open`]; `model` is what was asked for.
    OpenFailed { model: String, why: String },
    /// The answer to [`Command::Transfer`]: what makes those runs in the model, and why the others cannot be made in it, one
    /// line each.
    Transferred {
        /// What people call the model; what was asked for if it could not be opened.
        model: String,
        opened: Option<Arc<Opened>>,
        specs: Vec<Spec>,
        problems: Vec<String>,
    },
    /// The device failed, and runs of this model are made on another one from now on; one line says why.
    Moved {
        /// As [`Opened::model`] has it.
        model: String,
        provider: String,
        why: String,
    },
    /// A batch begins.
    Started(Started),
    /// A step was taken. A newer one replaces one that was not read, and brings along what that one knew of scores.
    Stepped(Progress),
    /// A picture of a watched job, of the current octave's size. A newer one of that job replaces one that was not read.
    Snapshot {
        job: JobId,
        /// Steps taken.
        step: usize,
        /// What the picture really shows: [`Overlay::Plain`] where the wanted one has nothing to show.
        overlay: Overlay,
        picture: Arc<RgbImage>,
    },
    /// Whether the worker rests.
    Paused(bool),
    /// A job is done and kept in history.
    Finished {
        job: JobId,
        record: Box<Record>,
        picture: Arc<RgbImage>,
        /// Whether it was there already.
        from_history: bool,
    },
    /// A job cannot be made; one line says why.
    Failed { job: JobId, why: String },
    /// A job was dropped as asked.
    Cancelled { job: JobId },
    /// The answer to [`Command::Photo`].
    Photo(photo::Answer),
    /// Something that the user should know, although everything goes on; one line.
    Remark(String),
}

/// What is known of a batch when it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    pub jobs: Vec<JobId>,
    /// Steps in all.
    pub steps: usize,
    /// Steps that were taken before, if it goes on from a checkpoint.
    pub resumed_at: usize,
    /// Steps on each octave, coarse to fine.
    pub octaves: Vec<usize>,
    /// The scores of those steps, one list a job.
    pub scores: Vec<Vec<f32>>,
    /// Height and width of the finished pictures.
    pub size: (usize, usize),
    /// Whether there is a class activation map to look at.
    pub has_map: bool,
    /// How many bands of the gradient there are to look at.
    pub bands: u32,
}

/// A worker, as its owner sees it. Dropping it shuts it down.
pub struct Worker {
    commands: Sender<Message>,
    mailbox: Arc<Mailbox>,
    stop: Stop,
    looking: Arc<Looking>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread; `told` is what is said of a model whenever it is opened. `wake` is called, from another thread, when there is something new to read.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn spawn(
        home: Home,
        provider: Provider,
        told: Told,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = mpsc::channel();
        let mailbox = Arc::new(Mailbox::new(Box::new(wake)));
        let stop = Stop::default();
        let bench = Bench::new(
            home,
            (provider, told),
            (commands.clone(), inbox),
            mailbox.clone(),
            stop.clone(),
        );
        let looking = bench.looking();
        let thread = std::thread::Builder::new().name("worker".into());
        Ok(Self {
            commands,
            mailbox,
            stop,
            looking,
            thread: Some(thread.spawn(move || bench.work())?),
        })
    }

    /// Asks for something; returns at once. After [`Command::Shutdown`] nothing is heard any more.
    pub fn send(&self, command: Command) {
        let interrupts = matches!(command, Command::Cancel(_) | Command::Shutdown);
        // It fails only if the thread has ended, and then there is nothing left to ask for.
        let _ = self.commands.send(Message::Command(command.clone()));
        self.looking.heed(&command);
        // The command is there before the step is broken off, so that the thread finds it.
        if interrupts {
            self.stop.stop();
        }
    }

    /// Everything that was told since the last call, oldest first.
    pub fn reports(&self) -> Vec<Report> {
        self.mailbox.drain()
    }

    /// Shuts the worker down and waits for it, at most `limit`. Returns whether it has ended.
    pub fn shut_down(&mut self, limit: Duration) -> bool {
        self.send(Command::Shutdown);
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
            // Whatever it panicked about was reported.
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
