//! The photos of a session as a list, with the class that the network predicts for each.

use super::fuzzy;
use super::list_state::ListState;
use crate::model::Classes;
use crate::runs::worker::photo::{About, Photo, Question};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Maximum number of photos in a list.
pub const MAX_PHOTOS: usize = 500;

/// Number of photos kept in memory.
const MAX_RECENT: usize = 8;

/// The photos, in the order of opening.
#[derive(Debug, Default)]
pub struct Album {
    photos: Vec<Member>,
    /// The listed photos, by index.
    pub list: ListState,
    search: String,
    order: PhotoOrder,
    /// The pending question to the worker.
    pub asked: Option<Question>,
    /// The photos examined last.
    recent: VecDeque<(PathBuf, Arc<Photo>)>,
    /// The photo shown full-screen, as sent to the worker.
    pub shown: Option<PathBuf>,
}

/// A photo of the list.
#[derive(Debug, Clone)]
pub struct Member {
    pub path: PathBuf,
    /// The prediction, once examined; or the error, in one line.
    pub seen: Option<Result<PhotoPrediction, String>>,
}

/// The network's prediction for a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct PhotoPrediction {
    /// The top class with its probability, or its score if the model has no probabilities; `None` without
    /// class scores.
    pub top: Option<(String, f32)>,
    pub has_probabilities: bool,
}

/// The sort order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PhotoOrder {
    #[default]
    Opened,
    Name,
    Class,
    /// Highest probability first.
    Probability,
}

impl PhotoOrder {
    /// The next one.
    fn next(self) -> Self {
        match self {
            Self::Opened => Self::Name,
            Self::Name => Self::Class,
            Self::Class => Self::Probability,
            Self::Probability => Self::Opened,
        }
    }

    /// The end of "sorted …".
    pub fn title(self) -> &'static str {
        match self {
            Self::Opened => "as opened",
            Self::Name => "by name",
            Self::Class => "by class",
            Self::Probability => "by probability",
        }
    }
}

impl Member {
    /// The file's name. Not safe to show.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// The top class and its value.
    fn top(&self) -> Option<(&str, f32)> {
        let seen = self.seen.as_ref()?.as_ref().ok()?;
        seen.top
            .as_ref()
            .map(|(class, value)| (class.as_str(), *value))
    }
}

impl Album {
    /// How many photos there are.
    pub fn len(&self) -> usize {
        self.photos.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.photos.is_empty()
    }

    /// The photo at an index.
    pub fn get(&self, index: usize) -> Option<&Member> {
        self.photos.get(index)
    }

    /// The photo opened last.
    pub fn last(&self) -> Option<&Path> {
        Some(&self.photos.last()?.path)
    }

    /// The photo under the cursor.
    pub fn selected(&self) -> Option<&Member> {
        self.photos.get(self.list.selected()?)
    }

    /// The search text.
    pub fn search(&self) -> &str {
        &self.search
    }

    /// The sort order.
    pub fn order(&self) -> PhotoOrder {
        self.order
    }

    /// Number of examined photos.
    pub fn examined(&self) -> usize {
        let examined = self.photos.iter().filter(|photo| photo.seen.is_some());
        examined.count()
    }

    /// Appends photos and selects the first of them. A photo that is listed already is moved to the end. The
    /// oldest are dropped beyond the maximum.
    pub fn add(&mut self, paths: Vec<PathBuf>) {
        let first = paths.first().cloned();
        for path in paths {
            let known = self.photos.iter().position(|photo| photo.path == path);
            let photo = known.map(|at| self.photos.remove(at));
            self.photos
                .push(photo.unwrap_or(Member { path, seen: None }));
        }
        let surplus = self.photos.len().saturating_sub(MAX_PHOTOS);
        self.photos.drain(..surplus);
        self.search.clear();
        self.arrange();
        if let Some(first) = first {
            self.select(&first);
        }
    }

    /// Replaces the list and selects the first photo. Predictions of photos that remain are kept. Returns how
    /// many photos are no longer listed.
    pub fn replace(&mut self, paths: Vec<PathBuf>) -> usize {
        let before = self.photos.len();
        self.photos.retain(|photo| paths.contains(&photo.path));
        let dropped = before - self.photos.len();
        // The list holds indices of the photos.
        self.list = ListState::default();
        self.add(paths);
        dropped
    }

    /// Removes a photo.
    pub fn remove(&mut self, path: &Path) {
        let selected = self.selected().map(|photo| photo.path.clone());
        self.photos.retain(|photo| photo.path != path);
        self.arrange();
        if let Some(selected) = selected {
            self.select(&selected);
        }
    }

    /// Moves the cursor to a photo, if it is listed.
    pub fn select(&mut self, path: &Path) {
        let index = self.photos.iter().position(|photo| photo.path == path);
        if let Some(index) = index {
            self.list.go_to(index);
        }
    }

    /// Lists the photos whose name or class match a text.
    pub fn set_search(&mut self, text: &str) {
        self.search = text.into();
        self.arrange();
    }

    /// Switches to the next sort order.
    pub fn cycle_order(&mut self) {
        self.order = self.order.next();
        self.arrange();
    }

    /// The index of a photo among the listed ones, and their number.
    pub fn place(&self, path: &Path) -> (Option<usize>, usize) {
        let rows = self.list.rows();
        let at = rows.iter().position(|&row| self.photos[row].path == path);
        (at, rows.len())
    }

    /// The next or previous listed photo; at the ends, the first or last.
    pub fn beside(&self, path: &Path, forward: bool) -> Option<&Path> {
        let (at, count) = self.place(path);
        let next = match (at, forward) {
            (Some(at), true) => at + 1,
            (Some(at), false) => at + count - 1,
            (None, _) => 0,
        };
        let row = self.list.rows().get(next % count.max(1))?;
        Some(&self.photos[*row].path)
    }

    /// A photo, if it is in memory.
    pub fn recent(&self, path: &Path) -> Option<&Arc<Photo>> {
        let mut recent = self.recent.iter();
        recent
            .find(|(other, _)| other == path)
            .map(|(_, photo)| photo)
    }

    /// Records the result of examining a photo.
    pub fn note(&mut self, path: &Path, found: &Result<Arc<Photo>, String>, classes: &Classes) {
        let seen = found
            .as_ref()
            .map_err(String::clone)
            .map(|photo| PhotoPrediction {
                top: photo.top.first().map(|&(class, value)| {
                    let name = classes.name(class).unwrap_or_default();
                    (name.to_string(), value)
                }),
                has_probabilities: photo.has_probabilities,
            });
        let Some(photo) = self.photos.iter_mut().find(|photo| photo.path == path) else {
            return;
        };
        photo.seen = Some(seen);
        if let Ok(found) = found {
            self.recent.retain(|(other, _)| other != path);
            self.recent.push_back((path.into(), Arc::clone(found)));
            self.forget_oldest();
        }
        self.arrange();
    }

    /// Drops the oldest photos beyond the limit from memory, except the one under the cursor, which is
    /// visible.
    fn forget_oldest(&mut self) {
        let selected = self.selected().map(|photo| photo.path.clone());
        while self.recent.len() > MAX_RECENT {
            let mut recent = self.recent.iter();
            let oldest = recent.position(|(path, _)| Some(path) != selected.as_ref());
            self.recent.remove(oldest.unwrap_or(0));
        }
    }

    /// Drops all predictions, because another network is open.
    pub fn forget_seen(&mut self) {
        self.photos.iter_mut().for_each(|photo| photo.seen = None);
        self.recent.clear();
        self.asked = None;
        self.arrange();
    }

    /// The photo under the cursor, if it must be examined to be shown.
    pub fn urgent(&self) -> Option<&Path> {
        let selected = self.selected()?;
        let is_known = match &selected.seen {
            None => false,
            Some(Ok(_)) => self.recent(&selected.path).is_some(),
            Some(Err(_)) => true,
        };
        (!is_known).then_some(&selected.path)
    }

    /// The next photo to examine: the one under the cursor, then the listed ones in order, then the others.
    pub fn next(&self) -> Option<&Path> {
        let listed = self.list.rows().iter().map(|&row| &self.photos[row]);
        let mut rest = listed.chain(&self.photos);
        let mut other = || rest.find(|photo| photo.seen.is_none());
        self.urgent().or_else(|| Some(&other()?.path))
    }

    /// The question about a photo of the list for the worker.
    pub fn question(path: &Path, model: &str) -> Question {
        Question {
            photo: path.into(),
            model: model.into(),
            about: About::Listed,
        }
    }

    /// Lists the matches of the search, in order.
    fn arrange(&mut self) {
        let texts = self.photos.iter().map(|photo| {
            let class = photo.top().map_or("", |(class, _)| class);
            format!("{} {class}", photo.name())
        });
        let texts: Vec<String> = texts.collect();
        let mut rows = fuzzy::matches(&self.search, texts.iter().map(String::as_str));
        let photos = &self.photos;
        match self.order {
            // A search lists the best match first.
            PhotoOrder::Opened => {}
            PhotoOrder::Name => rows.sort_by_cached_key(|&row| photos[row].name()),
            PhotoOrder::Class => rows.sort_by(|&a, &b| by_class(&photos[a], &photos[b])),
            PhotoOrder::Probability => rows.sort_by(|&a, &b| by_value(&photos[a], &photos[b])),
        }
        self.list.set_rows(rows);
    }
}

/// By class, then by probability; photos without a class last.
fn by_class(a: &Member, b: &Member) -> Ordering {
    let class = |photo: &Member| photo.top().map(|(class, _)| class.to_string());
    let classes = (class(a), class(b));
    let order = classes.0.is_none().cmp(&classes.1.is_none());
    order
        .then_with(|| classes.0.cmp(&classes.1))
        .then_with(|| by_value(a, b))
}

/// By probability; photos without a class last.
fn by_value(a: &Member, b: &Member) -> Ordering {
    let value = |photo: &Member| photo.top().map_or(f32::NEG_INFINITY, |(_, value)| value);
    value(b).total_cmp(&value(a))
}

#[cfg(test)]
mod tests;
