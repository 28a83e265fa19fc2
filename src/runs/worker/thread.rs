//! The worker's thread: its state, and how it handles commands.

use super::load_model::{self, LoadedModel, OpenOptions};
use super::mailbox::Mailbox;
use super::photo;
use super::photo_interrupt::PhotoInterrupt;
use super::photo_probe::Photos;
use super::transfers::Transfers;
use super::{Watched, WorkerCommand, WorkerDevice, WorkerEvent};
use crate::ascent::Overlay;
use crate::catch_panic;
use crate::home::Home;
use crate::runs::batch::{provider_name, recorded_name};
use crate::runs::checkpoint;
use crate::runs::driver::{self, StoredRun};
use crate::runs::judging::Judges;
use crate::runs::queue::{Job, JobId};
use crate::runtime::{self, CancelHandle, Device, Library};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};

/// A message to the thread.
pub enum Message {
    Command(WorkerCommand),
    /// A model was opened, or could not be.
    Loaded {
        asked: String,
        result: Result<Arc<LoadedModel>, String>,
    },
}

/// A model that is being opened.
pub struct Opening {
    pub asked: String,
    /// Whether it was requested with [`WorkerCommand::Open`], rather than for a run.
    pub is_shown: bool,
}

/// The state of the thread.
pub struct WorkerThread {
    pub home: Home,
    pub wanted: WorkerDevice,
    pub options: OpenOptions,
    pub sender: Sender<Message>,
    inbox: Receiver<Message>,
    pub mailbox: Arc<Mailbox>,
    pub stop: CancelHandle,
    /// The last one was used last.
    pub networks: Vec<Arc<LoadedModel>>,
    pub openings: Vec<Opening>,
    pub transfers: Transfers,
    pub judges: Judges,
    /// Why a model that a run needs could not be opened.
    pub unopened: Option<(String, String)>,
    /// The device of runs, once it is known.
    pub device: Option<Device>,
    batches: VecDeque<Vec<Job>>,
    /// The jobs of the current batch that were not cancelled.
    pub current: Vec<JobId>,
    pub is_paused: bool,
    pub watch: Option<(Watched, Overlay)>,
    /// Whether the watched jobs or their overlay have changed since the last picture.
    pub is_watch_new: bool,
    pub is_ended: bool,
    /// Whether the current batch is set aside, to continue later.
    is_set_aside: bool,
    pub photos: Photos,
}

impl WorkerThread {
    pub fn new(
        home: Home,
        (wanted, options): (WorkerDevice, OpenOptions),
        (sender, inbox): (Sender<Message>, Receiver<Message>),
        mailbox: Arc<Mailbox>,
        stop: CancelHandle,
    ) -> Self {
        Self {
            home,
            wanted,
            options,
            sender,
            inbox,
            mailbox,
            stop,
            networks: Vec::new(),
            openings: Vec::new(),
            transfers: Transfers::default(),
            judges: Judges::default(),
            unopened: None,
            device: None,
            batches: VecDeque::new(),
            current: Vec::new(),
            is_paused: false,
            watch: None,
            is_watch_new: false,
            is_ended: false,
            is_set_aside: false,
            photos: Photos::default(),
        }
    }

    /// The handle that interrupts the answer to a question about a photo.
    pub fn interrupt(&self) -> Arc<PhotoInterrupt> {
        Arc::clone(&self.photos.interrupt)
    }

    /// Works until [`WorkerCommand::Shutdown`].
    pub fn work(mut self) {
        checkpoint::sweep(&self.home);
        while !self.is_ended {
            let next = if self.is_paused {
                None
            } else {
                self.batches.pop_front()
            };
            match next {
                Some(batch) => self.run_jobs(batch),
                None => self.wait(),
            }
        }
    }

    /// Runs a batch. Every job of it gets an answer, unless the worker is shut down.
    fn run_jobs(&mut self, jobs: Vec<Job>) {
        self.is_set_aside = false;
        self.current = jobs.iter().map(|job| job.id).collect();
        let result = catch(|| self.try_run_batch(jobs));
        let left = std::mem::take(&mut self.current);
        if let Err(why) = result {
            for job in left {
                let why = why.clone();
                self.mailbox.post(WorkerEvent::Failed { job, why });
            }
        }
    }

    /// Whether the device works; otherwise this worker retires and leaves the jobs to another one.
    /// Where there is no other one, the error is that of the runs.
    fn works(&mut self, jobs: &[Job]) -> bool {
        if !self.wanted.is_replaceable || self.device.is_some() {
            return true;
        }
        let library = Library::load(&self.home, &|_| ());
        match library.and_then(|_| self.wanted.provider.resolve()) {
            Ok(_) => true,
            Err(why) => !self.retire(jobs.to_vec(), &why),
        }
    }

    /// Leaves the runs to another worker from now on, these first. Returns whether there is one.
    pub fn retire(&mut self, jobs: Vec<Job>, why: &runtime::Error) -> bool {
        if self.wanted.is_replaceable {
            self.current.clear();
            self.mailbox.post(WorkerEvent::Retired {
                jobs,
                why: why.to_string(),
                workers: 0,
            });
        }
        self.wanted.is_replaceable
    }

    fn try_run_batch(&mut self, mut jobs: Vec<Job>) -> Result<(), String> {
        if !self.works(&jobs) {
            return Ok(());
        }
        self.answer_from_history(&jobs);
        let Some(first) = jobs.first().cloned() else {
            return Ok(());
        };
        let Some(loaded) = self.network(&first.spec.model)? else {
            return Ok(());
        };
        // Where it runs is known only now.
        self.device = Some(loaded.device());
        self.answer_from_history(&jobs);
        jobs.retain(|job| self.is_wanted(job.id));
        if jobs
            .iter()
            .any(|job| job.spec.model_hash != loaded.network.hash)
        {
            return Err(format!(
                "{} is not the model any more for which this run was queued; open it and queue the run again",
                loaded.opened.name
            ));
        }
        if jobs.len() > 1 && !loaded.network.batchable {
            self.split(jobs);
            return Ok(());
        }
        if jobs.is_empty() {
            return Ok(());
        }
        self.run_batch(&loaded, &jobs)
    }

    /// Runs each of these jobs alone, next.
    pub fn split(&mut self, jobs: Vec<Job>) {
        self.queue_next(jobs, 1);
    }

    /// Runs these jobs next, at most so many at once.
    pub fn queue_next(&mut self, jobs: Vec<Job>, most: usize) {
        self.current.clear();
        for batch in jobs.chunks(most.max(1)).rev() {
            self.batches.push_front(batch.to_vec());
        }
    }

    /// Runs of this model use another device from now on: the one of `loaded`.
    pub fn moved(&mut self, loaded: &LoadedModel, note: &str) {
        let device = loaded.device();
        self.device = Some(device);
        self.mailbox.post(WorkerEvent::Moved {
            model: loaded.opened.model.clone(),
            provider: provider_name(device),
            note: note.into(),
        });
    }

    /// Finishes the jobs that the history has already.
    fn answer_from_history(&mut self, jobs: &[Job]) {
        let Some(device) = self.device else { return };
        let others = self.wanted.all.iter().copied().filter_map(recorded_name);
        let mut providers: Vec<String> = std::iter::once(provider_name(device))
            .chain(others)
            .collect();
        providers.dedup();
        for job in jobs {
            let is_wanted = self.is_wanted(job.id);
            let find = |provider| driver::find_stored(&self.home, &job.spec, provider);
            let stored = || providers.iter().find_map(|provider| find(provider));
            if let Some(stored) = is_wanted.then(stored).flatten() {
                let StoredRun {
                    mut record,
                    picture,
                    ..
                } = stored;
                self.judge_again(&mut record, &picture);
                self.current.retain(|id| *id != job.id);
                self.mailbox.post(WorkerEvent::Finished {
                    job: job.id,
                    record: Box::new(record),
                    picture: Arc::new(picture),
                    from_history: true,
                });
            }
        }
    }

    /// Whether a job of the current batch was not cancelled.
    pub fn is_wanted(&self, job: JobId) -> bool {
        self.current.contains(&job)
    }

    /// Whether the current batch is to end without results.
    pub fn is_useless(&self) -> bool {
        self.is_left() || self.current.is_empty()
    }

    /// Whether the current batch is to continue later.
    pub fn is_left(&self) -> bool {
        self.is_ended || self.is_set_aside
    }

    /// The network of a model, opened if necessary; `None` if the batch was cancelled meanwhile.
    fn network(&mut self, model: &str) -> Result<Option<Arc<LoadedModel>>, String> {
        self.unopened = None;
        while !self.is_useless() {
            if let Some(place) = self.networks.iter().position(|loaded| loaded.is(model)) {
                let loaded = self.networks.remove(place);
                self.networks.push(loaded.clone());
                return Ok(Some(loaded));
            }
            if let Some((_, why)) = self.unopened.take_if(|(asked, _)| asked == model) {
                return Err(why);
            }
            self.open(model.into(), false);
            self.wait();
        }
        Ok(None)
    }

    /// Waits for a message and handles it.
    pub fn wait(&mut self) {
        match self.inbox.recv() {
            Ok(message) => self.handle(message),
            Err(_) => self.is_ended = true,
        }
        self.handle_all();
    }

    /// Handles all messages that have arrived, and answers questions about photos.
    pub fn handle_all(&mut self) {
        loop {
            // The message that interrupted a step was sent before: one that is missed now interrupts the next step.
            self.stop.reset();
            self.handle_waiting();
            let question = self.photos.take();
            match question.filter(|_| !self.is_ended) {
                Some(question) => self.look(question),
                None => return,
            }
        }
    }

    fn handle_waiting(&mut self) {
        loop {
            match self.inbox.try_recv() {
                Ok(message) => self.handle(message),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.is_ended = true;
                    return;
                }
            }
        }
    }

    /// Answers a question about a photo.
    fn look(&mut self, question: photo::Question) {
        let interrupt = self.interrupt();
        interrupt.begin(&question);
        // A command that cancels the question may have come before that, and would not interrupt it.
        self.handle_waiting();
        if self.is_ended || self.photos.is_left() {
            interrupt.end();
            return;
        }
        let networks = self.networks.iter();
        let loaded = networks
            .rev()
            .find(|loaded| loaded.is(&question.model))
            .cloned();
        let found = catch(|| {
            let loaded = loaded.ok_or("the model is not open any more")?;
            self.photos.answer(&loaded, &question)
        });
        if interrupt.end() {
            self.mailbox
                .post(WorkerEvent::Photo(photo::Answer { question, found }));
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Loaded { asked, result } => self.loaded(asked, result),
            Message::Command(command) => match command {
                WorkerCommand::Open(model) => self.open(load_model::asked(model), true),
                WorkerCommand::Run(jobs) => self.batches.push_back(jobs),
                WorkerCommand::Transfer { model, runs } => {
                    self.transfers.push(model, runs);
                    self.continue_transfers();
                }
                WorkerCommand::Judges(models) => self.judges = Judges::new(models),
                WorkerCommand::Pause => self.pause(true),
                WorkerCommand::Resume => self.pause(false),
                WorkerCommand::SetAside(job) if !self.is_wanted(job) => {}
                WorkerCommand::SetAside(_) => {
                    // The waiting batches are parts of a batch that was split: its jobs are paused in the queue, too.
                    self.batches.clear();
                    self.is_set_aside = true;
                }
                WorkerCommand::Cancel(job) => self.cancel(job),
                WorkerCommand::Watch(watched, overlay) => {
                    self.watch = Some((watched, overlay));
                    self.is_watch_new = true;
                }
                WorkerCommand::Photo(question) => self.photos.ask(question),
                WorkerCommand::LeavePhoto(photo) => self.photos.leave(&photo),
                WorkerCommand::Shutdown => self.is_ended = true,
            },
        }
    }

    fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
        self.mailbox.post(WorkerEvent::Paused(is_paused));
    }

    fn cancel(&mut self, job: JobId) {
        let running = self.current.len();
        self.current.retain(|id| *id != job);
        let mut was_there = self.current.len() < running;
        for batch in &mut self.batches {
            let waiting = batch.len();
            batch.retain(|other| other.id != job);
            was_there |= batch.len() < waiting;
        }
        if was_there {
            self.mailbox.post(WorkerEvent::Cancelled { job });
        }
    }
}

/// The result of `work`; a panic is an error.
pub fn catch<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let done = catch_panic::catch(work);
    done.unwrap_or_else(|why| Err(format!("internal error: {why}")))
}
