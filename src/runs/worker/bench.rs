//! The worker's thread: what it has, what it was asked for, and what it does next.

use super::looking::Looking;
use super::mailbox::Mailbox;
use super::opening::{self, Loaded, Told};
use super::photo::{self, Photos};
use super::transfers::Transfers;
use super::{Command, Report, Watched};
use crate::ascent::Overlay;
use crate::home::Home;
use crate::panics;
use crate::runs::export::png;
use crate::runs::judging::Judges;
use crate::runs::queue::{Job, JobId};
use crate::runs::{checkpoint, history};
use crate::runtime::{Device, Provider, Stop};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};

/// How many networks stay open: the one that runs, and the one that is looked at.
const MOST_OPEN: usize = 2;

/// What arrives at the thread.
pub enum Message {
    Command(Command),
    /// A model was opened, or could not be.
    Loaded {
        asked: String,
        result: Result<Arc<Loaded>, String>,
    },
}

/// A model that is being opened.
struct Opening {
    asked: String,
    /// Whether somebody wants to look at it, rather than only a run need it.
    is_shown: bool,
}

/// All that the thread has.
pub struct Bench {
    pub home: Home,
    provider: Provider,
    told: Told,
    sender: Sender<Message>,
    inbox: Receiver<Message>,
    pub mailbox: Arc<Mailbox>,
    pub stop: Stop,
    /// The last one was used last.
    pub networks: Vec<Arc<Loaded>>,
    openings: Vec<Opening>,
    pub transfers: Transfers,
    pub judges: Judges,
    /// Why a model that a run needs could not be opened.
    unopened: Option<(String, String)>,
    /// Where runs are made, once that is known.
    device: Option<Device>,
    batches: VecDeque<Vec<Job>>,
    /// The jobs of the batch under way that are still wanted.
    pub current: Vec<JobId>,
    pub is_paused: bool,
    pub watch: Option<(Watched, Overlay)>,
    /// Whether the watched jobs or their overlay have changed since the last picture.
    pub is_watch_new: bool,
    pub is_ended: bool,
    /// Whether the batch under way is to be left for others, to go on later.
    is_set_aside: bool,
    photos: Photos,
}

impl Bench {
    pub fn new(
        home: Home,
        (provider, told): (Provider, Told),
        (sender, inbox): (Sender<Message>, Receiver<Message>),
        mailbox: Arc<Mailbox>,
        stop: Stop,
    ) -> Self {
        Self {
            home,
            provider,
            told,
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

    /// What its owner needs to break off the answer to a question about a photo.
    pub fn looking(&self) -> Arc<Looking> {
        Arc::clone(&self.photos.looking)
    }

    /// Works until it is told to end.
    pub fn work(mut self) {
        checkpoint::sweep(&self.home);
        while !self.is_ended {
            let next = match self.is_paused {
                true => None,
                false => self.batches.pop_front(),
            };
            match next {
                Some(batch) => self.make(batch),
                None => self.wait(),
            }
        }
    }

    /// Makes a batch. Whatever happens, every job of it gets an answer, unless the worker is to end.
    fn make(&mut self, jobs: Vec<Job>) {
        self.is_set_aside = false;
        self.current = jobs.iter().map(|job| job.id).collect();
        let made = surely(|| self.try_to_make(jobs));
        let left = std::mem::take(&mut self.current);
        if let Err(why) = made {
            for job in left {
                let why = why.clone();
                self.mailbox.post(Report::Failed { job, why });
            }
        }
    }

    fn try_to_make(&mut self, mut jobs: Vec<Job>) -> Result<(), String> {
        self.answer_from_history(&jobs);
        let Some(first) = jobs.first().cloned() else {
            return Ok(());
        };
        let Some(loaded) = self.network(&first.spec.model)? else {
            return Ok(());
        };
        // Where it runs may have become known only now.
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
        match jobs.is_empty() {
            true => Ok(()),
            false => self.climb(&loaded, &jobs),
        }
    }

    /// Makes each of these jobs alone, next.
    pub fn split(&mut self, jobs: Vec<Job>) {
        self.make_next(jobs, 1);
    }

    /// Makes these jobs next, at most so many at once.
    pub fn make_next(&mut self, jobs: Vec<Job>, most: usize) {
        self.current.clear();
        for batch in jobs.chunks(most.max(1)).rev() {
            self.batches.push_front(batch.to_vec());
        }
    }

    /// Runs of a model are made elsewhere from now on.
    pub fn moved(&mut self, loaded: &Loaded, why: &str) {
        let device = loaded.device();
        self.device = Some(device);
        self.mailbox.post(Report::Moved {
            model: loaded.opened.model.clone(),
            provider: crate::runs::batch::provider_name(device),
            why: why.into(),
        });
    }

    /// Answers what history holds already.
    fn answer_from_history(&mut self, jobs: &[Job]) {
        let Some(device) = self.device else { return };
        let provider = crate::runs::batch::provider_name(device);
        for job in jobs {
            let known = || {
                let (record, image) = history::find(&self.home, &job.spec, &provider)?;
                Some((record, png::read_picture(&image).ok()?))
            };
            if let Some((mut record, picture)) = self.is_wanted(job.id).then(known).flatten() {
                self.judge_again(&mut record, &picture);
                self.current.retain(|id| *id != job.id);
                self.mailbox.post(Report::Finished {
                    job: job.id,
                    record: Box::new(record),
                    picture: Arc::new(picture),
                    from_history: true,
                });
            }
        }
    }

    /// Whether a job of the batch under way is still wanted.
    pub fn is_wanted(&self, job: JobId) -> bool {
        self.current.contains(&job)
    }

    /// Whether the batch under way is of no use any more, or not now.
    pub fn is_useless(&self) -> bool {
        self.is_left() || self.current.is_empty()
    }

    /// Whether the batch under way is to be left as it is, to go on later.
    pub fn is_left(&self) -> bool {
        self.is_ended || self.is_set_aside
    }

    /// The network of a model, opened if need be; `None` if nobody wants it any more.
    fn network(&mut self, model: &str) -> Result<Option<Arc<Loaded>>, String> {
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

    /// Waits for a message and obeys it.
    pub fn wait(&mut self) {
        match self.inbox.recv() {
            Ok(message) => self.obey(message),
            Err(_) => self.is_ended = true,
        }
        self.obey_all();
    }

    /// Obeys all messages that have arrived, and answers what was asked about photos.
    pub fn obey_all(&mut self) {
        loop {
            // Whatever broke a step off has come before: a message that is missed now breaks off the next one.
            self.stop.reset();
            self.obey_waiting();
            let question = self.photos.take();
            match question.filter(|_| !self.is_ended) {
                Some(question) => self.look(question),
                None => return,
            }
        }
    }

    fn obey_waiting(&mut self) {
        loop {
            match self.inbox.try_recv() {
                Ok(message) => self.obey(message),
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
        let looking = self.looking();
        looking.begin(&question);
        // What makes the question useless may have come before that, and would not break it off.
        self.obey_waiting();
        if self.is_ended || self.photos.is_left() {
            looking.end();
            return;
        }
        let networks = self.networks.iter();
        let loaded = networks
            .rev()
            .find(|loaded| loaded.is(&question.model))
            .cloned();
        let found = surely(|| {
            let loaded = loaded.ok_or("the model is not open any more")?;
            self.photos.answer(&loaded, &question)
        });
        if looking.end() {
            self.mailbox
                .post(Report::Photo(photo::Answer { question, found }));
        }
    }

    fn obey(&mut self, message: Message) {
        match message {
            Message::Loaded { asked, result } => self.loaded(asked, result),
            Message::Command(command) => match command {
                Command::Open(model) => self.open(opening::asked(model), true),
                Command::Run(jobs) => self.batches.push_back(jobs),
                Command::Transfer { model, runs } => self.transfer(model, runs),
                Command::Judges(models) => self.judges = Judges::new(models),
                Command::Pause => self.pause(true),
                Command::Resume => self.pause(false),
                Command::SetAside => {
                    // What waits here is the rest of a batch that was split: its jobs rest in the queue, too.
                    self.batches.clear();
                    self.is_set_aside = !self.current.is_empty();
                }
                Command::Cancel(job) => self.cancel(job),
                Command::Watch(watched, overlay) => {
                    self.watch = Some((watched, overlay));
                    self.is_watch_new = true;
                }
                Command::Photo(question) => self.photos.ask(question),
                Command::LeavePhoto(photo) => self.photos.leave(&photo),
                Command::Shutdown => self.is_ended = true,
            },
        }
    }

    fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
        self.mailbox.post(Report::Paused(is_paused));
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
            self.mailbox.post(Report::Cancelled { job });
        }
    }

    /// Begins to open a model, unless that is under way.
    pub fn open(&mut self, asked: String, is_shown: bool) {
        let mut openings = self.openings.iter_mut();
        if let Some(opening) = openings.find(|opening| opening.asked == asked) {
            opening.is_shown |= is_shown;
            return;
        }
        let (home, provider, told) = (self.home.clone(), self.provider, self.told.clone());
        let (mailbox, sender) = (self.mailbox.clone(), self.sender.clone());
        let model = asked.clone();
        let load = move || {
            let load = || opening::load(&home, &model, provider, &told, &mailbox);
            let result = surely(load).map(Arc::new);
            let asked = model;
            // If nobody listens any more, nobody wants it.
            let _ = sender.send(Message::Loaded { asked, result });
        };
        let thread = std::thread::Builder::new().name("opening".into());
        let opening = Opening {
            asked: asked.clone(),
            is_shown,
        };
        self.openings.push(opening);
        if let Err(problem) = thread.spawn(load) {
            self.loaded(asked, Err(format!("no thread can be started: {problem}")));
        }
    }

    fn loaded(&mut self, asked: String, result: Result<Arc<Loaded>, String>) {
        let place = self
            .openings
            .iter()
            .position(|opening| opening.asked == asked);
        let is_shown = place.is_some_and(|place| self.openings.swap_remove(place).is_shown);
        match result {
            Ok(loaded) => {
                self.device = Some(loaded.device());
                if is_shown {
                    self.mailbox.post(Report::Opened(loaded.opened.clone()));
                }
                self.networks.retain(|other| !other.is(&asked));
                self.networks.push(loaded);
                let surplus = self.networks.len().saturating_sub(MOST_OPEN);
                self.networks.drain(..surplus);
                self.photos.keep(&self.networks);
            }
            Err(why) => {
                if is_shown {
                    let (model, why) = (asked.clone(), why.clone());
                    self.mailbox.post(Report::OpenFailed { model, why });
                }
                self.give_up_transfers(&asked, &why);
                self.unopened = Some((asked, why));
            }
        }
        self.go_on_with_transfers();
    }
}

/// Does `work`; a panic is told like any other failure.
fn surely<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let done = panics::catch(work);
    done.unwrap_or_else(|why| Err(format!("a fault of Ziggurat's own: {why}")))
}
