//! What the explorer asks of the disk, done by a thread of its own, in order. Reading all of history has another, so that it
//! holds nothing up.

use super::action::{Answer, Effect};
use super::album::MOST_PHOTOS;
use super::completion::{self, Name};
use super::gallery;
use super::likeness::{self, Look};
use super::popup::Choice;
use super::saved;
use crate::config;
use crate::home::Home;
use crate::model::{ModelSource, card, picture};
use crate::runs::picture_file;
use crate::runs::queue::{Job, Orphan, Queue, QueueFile, orphans, others_hold};
use crate::runs::{favourites, frames, history};
use image::RgbImage;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long queues that others hold are looked at again: one of a process that was killed a moment ago is free soon.
const DYING: Duration = Duration::from_secs(5);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// The thread, and the queue's file.
pub struct Disk {
    effects: Option<Sender<Effect>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread needs to know.
struct Shelf {
    home: Home,
    favourites: PathBuf,
    /// Missing if it could not be opened; that was said.
    queue: Option<QueueFile>,
    /// Queues that were taken over, but not kept yet.
    orphans: Vec<Orphan>,
    /// What was wrong with the queues of others, and was said.
    problems: Vec<String>,
}

impl Disk {
    /// Starts the threads: all of history is read, and queues that nobody owns any more are taken over.
    pub fn start(
        home: Home,
        favourites: PathBuf,
        answer: impl Fn(Answer) + Clone + Send + 'static,
    ) -> Self {
        let (effects, received) = mpsc::channel();
        let (scanned, told) = (home.clone(), answer.clone());
        std::thread::spawn(move || scan(&scanned, &told));
        let thread = std::thread::spawn(move || {
            let mut shelf = Shelf {
                home,
                favourites,
                queue: None,
                orphans: Vec::new(),
                problems: Vec::new(),
            };
            shelf.open_queue(&answer);
            shelf.work(&received, &answer);
        });
        Self {
            effects: Some(effects),
            thread: Some(thread),
        }
    }

    /// Has an effect done.
    pub fn perform(&self, effect: Effect) {
        if let Some(effects) = &self.effects {
            // The thread lives as long as this does.
            drop(effects.send(effect));
        }
    }

    /// Waits until everything is done.
    pub fn finish(&mut self) {
        self.effects = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn scan(home: &Home, answer: &impl Fn(Answer)) {
    match history::scan(home, &mut |entries| answer(Answer::Runs(entries))) {
        Ok(scanned) => answer(Answer::RunsEnd {
            damaged: scanned.damaged,
        }),
        Err(problem) => answer(Answer::Failed(problem.to_string())),
    }
}

impl Shelf {
    /// Opens this process's queue, and offers what others left waiting.
    fn open_queue(&mut self, answer: &impl Fn(Answer)) {
        let failed = |problem: crate::runs::Error| answer(Answer::Failed(problem.to_string()));
        match QueueFile::open(&self.home) {
            Ok(file) => self.queue = Some(file),
            Err(problem) => return failed(problem),
        }
        self.find_orphans(answer);
    }

    /// Offers what others left waiting and was not offered yet.
    fn find_orphans(&mut self, answer: &impl Fn(Answer)) {
        let (found, problems) =
            orphans(&self.home).unwrap_or_else(|problem| (Vec::new(), vec![problem]));
        for problem in problems.iter().map(ToString::to_string) {
            if !self.problems.contains(&problem) {
                answer(Answer::Failed(problem.clone()));
                self.problems.push(problem);
            }
        }
        let jobs: Vec<Job> = found.iter().flat_map(Orphan::jobs).collect();
        self.orphans.extend(found);
        if !jobs.is_empty() {
            answer(Answer::Orphans(jobs));
        }
    }

    /// Does what is asked, until nobody can ask any more. For a moment, queues that others hold are looked at in between.
    fn work(
        &mut self,
        asked: &Receiver<Effect>,
        answer: &(impl Fn(Answer) + Clone + Send + 'static),
    ) {
        let end = Instant::now() + DYING;
        let mut is_waiting = self.is_waiting_for_others();
        while is_waiting {
            match asked.recv_timeout(LOOK) {
                Ok(effect) => self.perform(effect, answer),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            is_waiting = Instant::now() < end && self.is_waiting_for_others();
            if !is_waiting {
                self.find_orphans(answer);
            }
        }
        for effect in asked {
            self.perform(effect, answer);
        }
    }

    /// Whether another process has a queue that it may be about to leave behind.
    fn is_waiting_for_others(&self) -> bool {
        let own = self.queue.as_ref();
        own.is_some_and(|own| others_hold(&self.home, own))
    }

    fn perform(&mut self, effect: Effect, answer: &(impl Fn(Answer) + Clone + Send + 'static)) {
        let done = match effect {
            Effect::SaveQueue(queue) => self
                .save(&queue)
                .map(|()| None)
                .map_err(|problem| format!("the queue cannot be saved: {problem}")),
            Effect::LoadPicture(id, size) => self
                .picture(&id, size)
                .map(|picture| Some(Answer::Picture { id, size, picture })),
            Effect::LoadRecord(id) => history::read(&self.home, &id)
                .map(|record| Some(Answer::Record(Box::new(record))))
                .map_err(|problem| problem.to_string()),
            Effect::LoadFrames(id) => self.frames(id),
            Effect::OrderByLikeness(place, items) => {
                let (home, answer) = (self.home.clone(), answer.clone());
                // Many pictures are read: nothing else waits for that.
                std::thread::spawn(move || {
                    answer(Answer::Likeness(place, by_likeness(&home, items)))
                });
                Ok(None)
            }
            Effect::Remove(ids) => Ok(Some(self.remove(ids))),
            Effect::Restore(ids) => self.restore(ids, answer),
            Effect::SetFavourite(id, on) => self.set_favourite(id, on),
            Effect::Export(ids, path) => self.export(&ids, path),
            Effect::SavePreset(name, values) => config::save_preset(&self.home, &name, &values)
                .map(|()| Some(Answer::PresetSaved(name)))
                .map_err(|problem| problem.to_string()),
            Effect::SaveTheme(name) => config::save_theme(&self.home, &name)
                .map(|()| None)
                .map_err(|problem| format!("the theme cannot be saved: {problem}")),
            Effect::SaveView(model) => saved::file::save(&self.home, &model)
                .map(|remark| remark.map(Answer::Failed))
                .map_err(|problem| format!("the explorer's state cannot be saved: {problem}")),
            Effect::ListFolder(folder) => {
                let choices = list_folder(&self.home, &folder);
                Ok(Some(Answer::Folder { folder, choices }))
            }
            Effect::ListNames(text, folder) => {
                let names = list_names(&text, &folder);
                Ok(Some(Answer::Names { text, names }))
            }
            Effect::FindPhotos(path) => {
                let found = find_photos(&path);
                Ok(Some(Answer::Photos { path, found }))
            }
            // These are not the disk's.
            Effect::Worker(_)
            | Effect::Copy(_)
            | Effect::Progress(_)
            | Effect::Notify(_)
            | Effect::Redraw
            | Effect::Suspend
            | Effect::Quit => Ok(None),
        };
        match done {
            Ok(Some(told)) => answer(told),
            Ok(None) => {}
            Err(why) => answer(Answer::Failed(why)),
        }
    }

    /// Saves the queue, and removes the files of queues whose jobs are all in it now. Others stay for the next start.
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

    /// A run's picture, no larger than it is needed.
    fn picture(&self, id: &str, size: gallery::Size) -> Result<Arc<RgbImage>, String> {
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

    /// How a run's picture grew.
    fn frames(&self, id: String) -> Result<Option<Answer>, String> {
        let path = history::frames_path(&self.home, &id).map_err(|problem| problem.to_string())?;
        if !path.exists() {
            return Err("this run has no saved frames: nothing to replay".into());
        }
        let frames = frames::read(&path).map_err(|problem| problem.to_string())?;
        let frames = frames.into_iter().map(Arc::new).collect();
        Ok(Some(Answer::Frames { id, frames }))
    }

    fn remove(&self, ids: Vec<String>) -> Answer {
        match history::remove(&self.home, &ids) {
            Ok(()) => Answer::Removed(ids),
            Err(problem) => Answer::NotRemoved {
                entries: (ids
                    .iter()
                    .filter_map(|id| history::entry(&self.home, id).ok()))
                .collect(),
                why: problem.to_string(),
                ids,
            },
        }
    }

    fn restore(
        &self,
        ids: Vec<String>,
        answer: &impl Fn(Answer),
    ) -> Result<Option<Answer>, String> {
        let mut entries = Vec::new();
        let mut restored = Vec::new();
        for id in ids {
            match history::restore(&self.home, &id) {
                Ok(()) => {
                    entries.extend(history::entry(&self.home, &id));
                    restored.push(id);
                }
                Err(problem) => answer(Answer::Failed(problem.to_string())),
            }
        }
        answer(Answer::Runs(entries));
        Ok((!restored.is_empty()).then_some(Answer::Restored(restored)))
    }

    /// Exports runs to a file that is not there yet, in a folder that is.
    fn export(&self, ids: &[String], path: PathBuf) -> Result<Option<Answer>, String> {
        if path.exists() {
            let path = path.display();
            return Err(format!("{path} already exists: choose another name"));
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder
            && !folder.is_dir()
            && folder != self.favourites
        {
            return Err(format!("no such folder: {}", folder.display()));
        }
        crate::runs::export::to_file(&self.home, ids, &path)
            .map(|()| Some(Answer::Exported(path)))
            .map_err(|problem| problem.to_string())
    }

    fn set_favourite(&self, id: String, on: bool) -> Result<Option<Answer>, String> {
        let saved = match on {
            true => {
                favourites::keep(&self.home, &id, &self.favourites).map(|saved| Some(saved.picture))
            }
            false => history::set_favourite(&self.home, &id, false).map(|()| None),
        };
        let saved = saved.map_err(|problem| problem.to_string())?;
        Ok(Some(Answer::Favourite { id, on, saved }))
    }
}

/// Items in the order in which the pictures of their runs look alike. Those whose picture cannot be read are left out.
fn by_likeness(home: &Home, items: Vec<(usize, String)>) -> Vec<usize> {
    let look = |(item, id): (usize, String)| {
        let path = history::image_path(home, &id).ok()?;
        Some((item, Look::of(&picture_file::read_picture(&path).ok()?)))
    };
    likeness::chain(items.into_iter().filter_map(look).collect())
}

/// Most photos of a folder that are counted.
const MOST_SCANNED: usize = 100_000;

/// Most entries of a folder that are listed.
const MOST_LISTED: usize = 5000;

/// Cards first, then the way up, folders and ONNX files.
fn list_folder(home: &Home, folder: &Path) -> Result<Vec<Choice>, String> {
    let is_here =
        |name: &str| ModelSource::resolve(home, Some(name)).is_ok_and(|card| card.is_here(home));
    let cards = card::names(home).into_iter().map(|name| Choice::Card {
        here: is_here(&name),
        name,
    });
    let mut choices: Vec<Choice> = cards.collect();
    let entries =
        std::fs::read_dir(folder).map_err(|problem| format!("{}: {problem}", folder.display()))?;
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in entries.flatten().take(MOST_LISTED) {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let is_onnx = path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"));
        match path.is_dir() {
            _ if hidden => {}
            true => folders.push(path),
            false if is_onnx => files.push(path),
            false => {}
        }
    }
    folders.sort();
    files.sort();
    let up = folder.parent().map(Path::to_path_buf);
    choices.extend(up.map(Choice::Folder));
    choices.extend(files.into_iter().map(Choice::File));
    choices.extend(folders.into_iter().map(Choice::Folder));
    Ok(choices)
}

/// The names in the folder of a path that is being typed that begin as its end does. What cannot be typed is left out.
fn list_names(text: &str, relative_to: &Path) -> Result<Vec<Name>, String> {
    let folder = relative_to.join(completion::folder(text));
    let (_, part) = completion::split(text);
    let entries =
        std::fs::read_dir(&folder).map_err(|problem| format!("{}: {problem}", folder.display()))?;
    let name = |entry: std::fs::DirEntry| {
        let text = entry.file_name().into_string().ok()?;
        let fits = text.starts_with(part) && !text.chars().any(char::is_control);
        fits.then(|| Name {
            is_folder: entry.path().is_dir(),
            text,
        })
    };
    Ok(entries
        .flatten()
        .filter_map(name)
        .take(MOST_LISTED)
        .collect())
}

/// The photos of a path: those of a folder, by name, but no more than are listed, and how many there are; or the file itself,
/// whatever it is called.
fn find_photos(path: &Path) -> Result<(Vec<PathBuf>, usize), String> {
    let failed = |problem: std::io::Error| format!("{}: {problem}", path.display());
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok((vec![path.into()], 1));
    }
    let entries = std::fs::read_dir(path).map_err(failed)?.flatten();
    let is_hidden = |entry: &std::fs::DirEntry| entry.file_name().as_encoded_bytes()[0] == b'.';
    let files = entries
        .filter(|entry| !is_hidden(entry))
        .map(|entry| entry.path());
    let photos = files.filter(|file| picture::is_named(file) && file.is_file());
    let mut photos: Vec<PathBuf> = photos.take(MOST_SCANNED).collect();
    let all = photos.len();
    if all == 0 {
        let path = path.display();
        return Err(format!(
            "{path}: no PNG, JPEG or WebP file lies in this folder"
        ));
    }
    photos.sort();
    photos.truncate(MOST_PHOTOS);
    Ok((photos, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_of_a_process_that_is_just_dying_is_offered_once_it_is_gone() {
        use crate::ascent::{Kind, Objective, Settings, Unit};
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let objective = Objective {
            kind: Kind::Class,
            value: "logits".into(),
        };
        let unit = Unit {
            index: 0,
            position: (0, 0),
        };
        let spec = crate::runs::Spec::new(
            ("m", "h"),
            ("title", objective, unit),
            1,
            Settings::default(),
        );
        let mut queue = Queue::default();
        queue.push(spec).unwrap();
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
                    Ok(Answer::Orphans(jobs)) => return jobs.len(),
                    Ok(_) => {}
                    Err(_) => return 0,
                }
            }
        };
        assert_eq!(offered(Duration::from_millis(600)), 0, "its process lives");
        drop(dying);
        assert_eq!(offered(Duration::from_secs(4)), 1);
        // A queue that is saved before it has taken these over leaves their file alone.
        disk.perform(Effect::SaveQueue(Queue::default()));
        disk.finish();
        let (left, _) = orphans(&home).unwrap();
        let left: usize = left.iter().map(|orphan| orphan.jobs().count()).sum();
        assert_eq!(left, 1);
    }

    #[test]
    fn the_photos_of_a_folder_are_found_by_name_and_a_file_is_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let why = find_photos(folder.path()).unwrap_err();
        assert!(why.contains("no PNG, JPEG or WebP file"), "{why}");
        for name in ["b.PNG", "a.jpg", ".c.png", "notes.txt"] {
            std::fs::write(path(name), "").unwrap();
        }
        std::fs::create_dir(path("d.png")).unwrap();
        let found = find_photos(folder.path()).unwrap();
        assert_eq!(found, (vec![path("a.jpg"), path("b.PNG")], 2));
        assert_eq!(
            find_photos(&path("notes.txt")).unwrap(),
            (vec![path("notes.txt")], 1)
        );
        assert!(find_photos(&path("none")).unwrap_err().contains("none: "));
        for number in 0..=MOST_PHOTOS {
            std::fs::write(path(&format!("{number:04}.webp")), "").unwrap();
        }
        let (photos, all) = find_photos(folder.path()).unwrap();
        assert_eq!((photos.len(), all), (MOST_PHOTOS, MOST_PHOTOS + 3));
    }

    #[test]
    fn names_that_begin_as_typed_are_listed_and_a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["cat.png", "dog.png", "c\u{1b}.png"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("cats")).unwrap();
        let typed = |end: &str| format!("{}/{end}", folder.path().display());
        let here = Path::new("");
        let mut names = list_names(&typed("c"), here).unwrap();
        let relative = list_names("./c", folder.path()).unwrap();
        assert_eq!(relative.len(), names.len());
        names.sort_by(|a, b| a.text.cmp(&b.text));
        let name = |text: &str, is_folder| Name {
            text: text.into(),
            is_folder,
        };
        assert_eq!(names, [name("cat.png", false), name("cats", true)]);
        assert!(
            list_names(&typed("no/c"), here)
                .unwrap_err()
                .contains("no/")
        );
    }

    #[test]
    fn an_export_replaces_nothing_and_makes_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf {
            home: Home::at(folder.path()),
            favourites: folder.path().join("favourites"),
            queue: None,
            orphans: Vec::new(),
            problems: Vec::new(),
        };
        let there = folder.path().join("a.png");
        std::fs::write(&there, "mine").unwrap();
        let refused = shelf.export(&[], there.clone()).unwrap_err();
        assert!(refused.contains("already exists"), "{refused}");
        assert_eq!(std::fs::read_to_string(there).unwrap(), "mine");
        let refused = shelf.export(&[], folder.path().join("no/b.png"));
        assert!(refused.unwrap_err().contains("no such folder"));
        assert!(!folder.path().join("no").exists());
    }
}
