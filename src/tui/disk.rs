//! The explorer's file access, on separate threads: one saves and reads runs, in order; another lists folders, so
//! that a slow folder does not delay saving.
//!
//! - [`folders`]: models, photos and names in folders
//! - [`watch`]: the runs of the history, and changes by other processes
//! - [`export`]: exported runs

mod export;
mod folders;
mod watch;

use super::action::{DiskRequest, DiskResponse, Lookup};
use super::picture_cache;
use super::saved;
use super::similarity;
use crate::config;
use crate::home::Home;
use crate::runs::history::{HistoryEntry, Naming};
use crate::runs::picture_file;
use crate::runs::queue::{Job, Orphan, Queue, QueueFile, orphans, others_hold};
use crate::runs::{favourites, frames, history};
use image::RgbImage;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long queues of other processes are checked again: the lock of a killed process is released soon.
const DYING: Duration = Duration::from_secs(5);

/// Interval of these checks.
const LOOK: Duration = Duration::from_millis(200);

/// The threads for file access.
pub struct Disk {
    requests: Option<Sender<DiskRequest>>,
    thread: Option<JoinHandle<()>>,
    /// To the thread that lists folders. It is not joined.
    lookups: Option<Sender<Lookup>>,
    /// The history is watched while this exists.
    _watched: Sender<()>,
}

/// State of the thread that saves and reads runs.
struct DiskThread {
    home: Home,
    favourites: PathBuf,
    /// `None` if it could not be opened; the error was reported.
    queue: Option<QueueFile>,
    /// Adopted queues that are not saved yet.
    orphans: Vec<Orphan>,
    /// Reported problems of other processes' queues.
    problems: Vec<String>,
}

impl Disk {
    /// Starts the threads: the history is read, and queues without an owner are adopted.
    pub fn start(
        home: Home,
        favourites: PathBuf,
        answer: impl Fn(DiskResponse) + Clone + Send + 'static,
    ) -> Self {
        let (requests, received) = mpsc::channel();
        let (watched, end) = mpsc::channel();
        let (scanned, respond) = (home.clone(), answer.clone());
        std::thread::spawn(move || watch::watch(&scanned, &end, &respond));
        let (lookups, asked) = mpsc::channel();
        let (seen, respond) = (home.clone(), answer.clone());
        std::thread::spawn(move || {
            for look in asked {
                respond(look_up(&seen, look));
            }
        });
        let thread = std::thread::spawn(move || {
            let mut thread_state = DiskThread {
                home,
                favourites,
                queue: None,
                orphans: Vec::new(),
                problems: Vec::new(),
            };
            thread_state.open_queue(&answer);
            thread_state.work(&received, &answer);
        });
        Self {
            requests: Some(requests),
            thread: Some(thread),
            lookups: Some(lookups),
            _watched: watched,
        }
    }

    /// Performs a request. The threads live as long as `self`.
    pub fn perform(&self, request: DiskRequest) {
        match (request, &self.lookups, &self.requests) {
            (DiskRequest::Look(lookup), Some(lookups), _) => drop(lookups.send(lookup)),
            (request, _, Some(requests)) => drop(requests.send(request)),
            _ => {}
        }
    }

    /// Waits until everything is saved.
    pub fn finish(&mut self) {
        self.lookups = None;
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn look_up(home: &Home, lookup: Lookup) -> DiskResponse {
    match lookup {
        Lookup::Folder(folder) => {
            let choices = folders::list_folder(home, &folder);
            DiskResponse::Folder { folder, choices }
        }
        Lookup::Names(text, folder) => {
            let names = folders::list_names(&text, &folder);
            DiskResponse::Names { text, names }
        }
        Lookup::Photos(path) => {
            let found = folders::find_photos(&path);
            DiskResponse::Photos { path, found }
        }
    }
}

impl DiskThread {
    /// Opens this process's queue, and offers the runs of other processes' queues.
    fn open_queue(&mut self, answer: &impl Fn(DiskResponse)) {
        let failed =
            |problem: crate::runs::Error| answer(DiskResponse::Failed(problem.to_string()));
        match QueueFile::open(&self.home) {
            Ok(file) => self.queue = Some(file),
            Err(problem) => return failed(problem),
        }
        self.find_orphans(answer);
    }

    /// Offers runs of other processes' queues that were not offered yet.
    fn find_orphans(&mut self, answer: &impl Fn(DiskResponse)) {
        let (found, problems) =
            orphans(&self.home).unwrap_or_else(|problem| (Vec::new(), vec![problem]));
        for problem in problems.iter().map(ToString::to_string) {
            if !self.problems.contains(&problem) {
                answer(DiskResponse::Failed(problem.clone()));
                self.problems.push(problem);
            }
        }
        let jobs: Vec<Job> = found.iter().flat_map(Orphan::jobs).collect();
        self.orphans.extend(found);
        if !jobs.is_empty() {
            answer(DiskResponse::Orphans(jobs));
        }
    }

    /// Performs effects until the sender is dropped. For a short time it checks other processes' queues in
    /// between.
    fn work(
        &mut self,
        asked: &Receiver<DiskRequest>,
        answer: &(impl Fn(DiskResponse) + Clone + Send + 'static),
    ) {
        let end = Instant::now() + DYING;
        let mut is_waiting = self.is_waiting_for_others();
        while is_waiting {
            match asked.recv_timeout(LOOK) {
                Ok(request) => self.perform(request, answer),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            is_waiting = Instant::now() < end && self.is_waiting_for_others();
            if !is_waiting {
                self.find_orphans(answer);
            }
        }
        for request in asked {
            self.perform(request, answer);
        }
    }

    /// Whether another process holds a queue and may be ending.
    fn is_waiting_for_others(&self) -> bool {
        let own = self.queue.as_ref();
        own.is_some_and(|own| others_hold(&self.home, own))
    }

    fn perform(
        &mut self,
        request: DiskRequest,
        answer: &(impl Fn(DiskResponse) + Clone + Send + 'static),
    ) {
        let done = match request {
            DiskRequest::SaveQueue(queue) => self
                .save(&queue)
                .map(|()| None)
                .map_err(|problem| format!("the queue cannot be saved: {problem}")),
            DiskRequest::LoadPicture(id, size) => self
                .picture(&id, size)
                .map(|picture| Some(DiskResponse::Picture { id, size, picture })),
            DiskRequest::LoadRecord(id) => history::read(&self.home, &id)
                .map(|record| Some(DiskResponse::Record(Box::new(record))))
                .or_else(|problem| {
                    let why = problem.to_string();
                    Ok(Some(DiskResponse::NoRecord { id, why }))
                }),
            DiskRequest::LoadFrames(id) => self.frames(id),
            DiskRequest::OrderBySimilarity(place, items) => {
                let (home, answer) = (self.home.clone(), answer.clone());
                // Reading many pictures is slow; nothing else depends on it.
                std::thread::spawn(move || {
                    answer(DiskResponse::Similarity(place, by_similarity(&home, items)));
                });
                Ok(None)
            }
            DiskRequest::Remove(ids) => Ok(Some(self.remove(ids))),
            DiskRequest::Restore(ids) => self.restore(ids, answer),
            DiskRequest::SetFavourite(id, on) => self.set_favourite(id, on),
            DiskRequest::Export(ids, path) => Ok(Some(export::export(
                &self.home,
                &self.favourites,
                ids,
                path,
            ))),
            DiskRequest::SavePreset(name, values) => {
                config::save_preset(&self.home, &name, &values)
                    .map(|()| Some(DiskResponse::PresetSaved(name, values)))
                    .map_err(|problem| problem.to_string())
            }
            DiskRequest::SaveTheme(name) => config::save_theme(&self.home, &name)
                .map(|()| None)
                .map_err(|problem| format!("the theme cannot be saved: {problem}")),
            DiskRequest::Look(lookup) => Ok(Some(look_up(&self.home, lookup))),
            DiskRequest::SaveView(model) => saved::file::save(&self.home, &model)
                .map(|remark| remark.map(DiskResponse::Failed))
                .map_err(|problem| format!("the explorer's state cannot be saved: {problem}")),
        };
        match done {
            Ok(Some(response)) => answer(response),
            Ok(None) => {}
            Err(why) => answer(DiskResponse::Failed(why)),
        }
    }

    /// Saves the queue, and removes adopted queue files whose jobs are all in it. The others remain for the
    /// next start.
    fn save(&mut self, queue: &Queue) -> Result<(), crate::runs::Error> {
        let Some(file) = &self.queue else {
            return Ok(());
        };
        file.save(queue)?;
        let is_saved = |orphan: &mut Orphan| {
            let mut jobs = orphan.queue.jobs().iter();
            jobs.all(|job| queue.find(&job.spec).is_some())
        };
        self.orphans
            .extract_if(.., is_saved)
            .try_for_each(Orphan::remove)
    }

    /// A run's picture, no larger than `size`.
    fn picture(&self, id: &str, size: picture_cache::Size) -> Result<Arc<RgbImage>, String> {
        let picture = history::image_path(&self.home, id)
            .and_then(|path| picture_file::read_picture(&path))
            .map_err(|problem| problem.to_string())?;
        let (width, height) = picture.dimensions();
        let longest = size.longest();
        if width.max(height) <= longest {
            return Ok(Arc::new(picture));
        }
        let side = |side: u32| {
            let scaled = u64::from(side) * u64::from(longest) / u64::from(width.max(height));
            (scaled as u32).max(1)
        };
        Ok(Arc::new(image::imageops::thumbnail(
            &picture,
            side(width),
            side(height),
        )))
    }

    /// The frames of a run's picture.
    fn frames(&self, id: String) -> Result<Option<DiskResponse>, String> {
        let path = history::frames_path(&self.home, &id).map_err(|problem| problem.to_string())?;
        if !path.exists() {
            return Err("this run has no saved frames: nothing to replay".into());
        }
        let frames = frames::read(&path).map_err(|problem| problem.to_string())?;
        let frames = frames.into_iter().map(Arc::new).collect();
        Ok(Some(DiskResponse::Frames { id, frames }))
    }

    fn remove(&self, ids: Vec<String>) -> DiskResponse {
        match history::remove(&self.home, &ids) {
            Ok(()) => DiskResponse::Removed(ids),
            Err(problem) => DiskResponse::NotRemoved {
                entries: (ids.iter().filter_map(|id| self.entry(id))).collect(),
                why: problem.to_string(),
                ids,
            },
        }
    }

    /// A run as it is listed; `None` if it cannot be read.
    fn entry(&self, id: &str) -> Option<HistoryEntry> {
        let mut entry = history::entry(&self.home, id).ok()?;
        Naming::new(&self.home).apply(&mut entry);
        Some(entry)
    }

    fn restore(
        &self,
        ids: Vec<String>,
        answer: &impl Fn(DiskResponse),
    ) -> Result<Option<DiskResponse>, String> {
        let mut entries = Vec::new();
        let mut restored = Vec::new();
        let mut left = Vec::new();
        for id in ids {
            match history::restore(&self.home, &id) {
                Ok(()) => {
                    entries.extend(self.entry(&id));
                    restored.push(id);
                }
                Err(problem) => {
                    left.extend(problem.may_pass().then_some(id));
                    answer(DiskResponse::Failed(problem.to_string()));
                }
            }
        }
        answer(DiskResponse::Runs(entries));
        if !left.is_empty() {
            answer(DiskResponse::NotRestored(left));
        }
        Ok((!restored.is_empty()).then_some(DiskResponse::Restored(restored)))
    }

    fn set_favourite(&self, id: String, on: bool) -> Result<Option<DiskResponse>, String> {
        let saved = if on {
            favourites::keep(&self.home, &id, &self.favourites).map(|saved| Some(saved.picture))
        } else {
            history::set_favourite(&self.home, &id, false).map(|()| None)
        };
        let saved = saved.map_err(|problem| problem.to_string())?;
        Ok(Some(DiskResponse::Favourite { id, on, saved }))
    }
}

/// Items in the order of similarity of their runs' pictures. Items without a readable picture are omitted.
fn by_similarity(home: &Home, items: Vec<(usize, String)>) -> Vec<usize> {
    let look = |(item, id): (usize, String)| {
        let path = history::image_path(home, &id).ok()?;
        Some((
            item,
            similarity::PictureFeatures::from_picture(&picture_file::read_picture(&path).ok()?),
        ))
    };
    similarity::order(items.into_iter().filter_map(look).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::testing::temporary_home;
    use crate::runs::history::testing::record;

    #[test]
    fn the_queue_of_a_process_that_is_just_dying_is_offered_once_it_is_gone() {
        let (folder, home) = temporary_home();
        let mut queue = Queue::default();
        queue.push(record(1).spec).unwrap();
        let dying = QueueFile::open(&home).unwrap();
        dying.save(&queue).unwrap();

        let (sender, answers) = mpsc::channel();
        let mut disk = Disk::start(home.clone(), folder.path().into(), move |answer| {
            drop(sender.send(answer));
        });
        let offered = |wait: Duration| {
            let end = Instant::now() + wait;
            loop {
                let left = end.saturating_duration_since(Instant::now());
                match answers.recv_timeout(left) {
                    Ok(DiskResponse::Orphans(jobs)) => return jobs.len(),
                    Ok(_) => {}
                    Err(_) => return 0,
                }
            }
        };
        assert_eq!(offered(Duration::from_millis(600)), 0, "its process lives");
        drop(dying);
        assert_eq!(offered(Duration::from_secs(4)), 1);
        // A queue that is saved before it has adopted these jobs leaves their file alone.
        disk.perform(DiskRequest::SaveQueue(Queue::default()));
        disk.finish();
        let (left, _) = orphans(&home).unwrap();
        let left: usize = left.iter().map(|orphan| orphan.jobs().count()).sum();
        assert_eq!(left, 1);
    }
}
