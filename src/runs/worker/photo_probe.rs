//! Answers questions about photos with an open model, between two steps of whatever runs.

use super::load_model::LoadedModel;
use super::photo::{About, AnswerContent, Channel, MapAt, Photo, Question};
use super::photo_interrupt::PhotoInterrupt;
use crate::ascent::evaluate::{Classifier, Site, largest};
use crate::ascent::layer_probe::{ChannelMap, ChannelMaps};
use crate::ascent::{CamOptions, Kind, Objective, TOP_CLASSES, Unit, heatmap, photo_map};
use crate::model::{Activation, Network, Window, picture};
use crate::runtime::CancelHandle;
use image::{RgbImage, imageops};
use ndarray::{Array4, Axis};
use std::borrow::Borrow;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest side of a photo as it is shown, in pixels.
const MAX_SIDE: u32 = 1024;

/// Longest side of a feature map over the photo, in pixels.
const MAX_MAP_SIDE: u32 = 256;

/// The waiting questions, and the state kept between answers.
#[derive(Default)]
pub struct Photos {
    waiting: VecDeque<Question>,
    /// The question taken last, unless it was cancelled.
    taken: Option<Question>,
    pub interrupt: Arc<PhotoInterrupt>,
    /// The last photo.
    last: Option<Prepared>,
    /// The session that classified it, ready for the next photo.
    classifier: Option<Classifier<Held>>,
}

/// An opened model that stays open as long as it is held.
struct Held(Arc<LoadedModel>);

impl Borrow<Network> for Held {
    fn borrow(&self) -> &Network {
        &self.0.network
    }
}

/// A photo as a network sees it.
struct Prepared {
    photo: PathBuf,
    model_hash: String,
    /// In model-input units, (1, C, H, W).
    input: Array4<f32>,
    /// The same as a picture.
    seen: RgbImage,
}

impl Photos {
    /// Adds a question; it replaces a waiting one of the same kind.
    pub fn ask(&mut self, question: Question) {
        self.waiting
            .retain(|other| !other.about.is_like(&question.about));
        self.taken.take_if(|taken| question.replaces(taken));
        self.waiting.push_back(question);
    }

    /// Cancels the questions about a photo.
    pub fn leave(&mut self, photo: &Path) {
        self.waiting.retain(|question| question.photo != photo);
        self.taken.take_if(|question| question.photo == photo);
    }

    /// Whether the question taken last was cancelled.
    pub fn is_left(&self) -> bool {
        self.taken.is_none()
    }

    /// Closes the session of a model that is not among these.
    pub fn keep(&mut self, networks: &[Arc<LoadedModel>]) {
        let is_closed = |classifier: &mut Classifier<Held>| {
            let hash = &classifier.network().hash;
            networks.iter().all(|loaded| loaded.network.hash != *hash)
        };
        self.classifier.take_if(is_closed);
    }

    /// The next question.
    pub fn take(&mut self) -> Option<Question> {
        self.taken = self.waiting.pop_front();
        self.taken.clone()
    }

    /// Answers a question. The error is one line.
    pub fn answer(
        &mut self,
        loaded: &Arc<LoadedModel>,
        question: &Question,
    ) -> Result<AnswerContent, String> {
        let network = &loaded.network;
        let interrupt = Arc::clone(&self.interrupt);
        let site = Site::from((loaded.device(), &interrupt.stop));
        let path = question.photo.as_path();
        match &question.about {
            About::Photo | About::Listed => {
                self.photo(loaded, path, site).map(AnswerContent::Photo)
            }
            About::Channels { layer, rank, count } => {
                let prepared = self.prepared(network, path)?;
                let maps = ChannelMaps::open(network, layer, (*rank, *count), site)
                    .and_then(|mut maps| maps.of(prepared.input.clone()))
                    .map_err(|problem| problem.to_string())?;
                let seen = shrunk(&prepared.seen, MAX_MAP_SIDE);
                let channels = maps.into_iter().map(|found| channel(&seen, found));
                Ok(AnswerContent::Channels(channels.collect()))
            }
            About::Class { class, at } => {
                class_map(network, path, (*class, at), site).map(AnswerContent::Class)
            }
        }
    }

    fn photo(
        &mut self,
        loaded: &Arc<LoadedModel>,
        path: &Path,
        site: Site,
    ) -> Result<Arc<Photo>, String> {
        let network = &loaded.network;
        let picture = read(path, &site.stop)?;
        let prepared = Prepared::new(network, path, &picture)?;
        let top = match network.logits() {
            Some(_) => self
                .classifier(loaded, site)
                .and_then(|classifier| classifier.probabilities(prepared.input.clone()))
                .map(|probabilities| largest(probabilities, TOP_CLASSES))
                .map_err(|problem| problem.to_string())?,
            None => Vec::new(),
        };
        self.last = Some(prepared);
        let size = picture.dimensions();
        let seen = network.preprocessing.cropped(size, network.size);
        Ok(Arc::new(Photo {
            picture: Arc::new(shrunk(&picture, MAX_SIDE)),
            size,
            seen: seen.map(Window::size),
            top,
            has_probabilities: network.activation() != Activation::None,
        }))
    }

    /// The classifier of a model, opened if necessary.
    fn classifier(
        &mut self,
        loaded: &Arc<LoadedModel>,
        site: Site,
    ) -> Result<&mut Classifier<Held>, crate::ascent::Error> {
        let is_same = |known: &Classifier<Held>| {
            known.network().hash == loaded.network.hash && known.device() == site.device
        };
        let known = self.classifier.take().filter(is_same);
        let classifier = match known {
            Some(known) => known,
            None => Classifier::open(Held(Arc::clone(loaded)), site)?,
        };
        Ok(self.classifier.insert(classifier))
    }

    /// The photo as the network sees it, read again if it was not the last one.
    fn prepared(&mut self, network: &Network, path: &Path) -> Result<&Prepared, String> {
        let is_last = |last: &Prepared| last.photo == path && last.model_hash == network.hash;
        let prepared = match self.last.take().filter(is_last) {
            Some(last) => last,
            None => {
                let picture = read(path, &self.interrupt.stop)?;
                Prepared::new(network, path, &picture)?
            }
        };
        Ok(self.last.insert(prepared))
    }
}

impl Prepared {
    fn new(network: &Network, path: &Path, picture: &RgbImage) -> Result<Self, String> {
        let input = network.preprocessing.tensor(picture, network.size);
        let seen = network
            .preprocessing
            .picture(input.index_axis(Axis(0), 0))
            .map_err(|problem| problem.to_string())?;
        Ok(Self {
            photo: path.into(),
            model_hash: network.hash.clone(),
            input,
            seen,
        })
    }
}

fn channel(seen: &RgbImage, (activation, map): ChannelMap) -> Channel {
    let map = map.filter(|map| map.len() > 1);
    let overlaid = map.map(|map| heatmap::overlay(seen, &map.mapv(|value| value.max(0.0))));
    Channel {
        activation,
        map: overlaid.map(Arc::new),
    }
}

/// The class activation map of a class over the entire photo, made as `ziggurat cam` makes it.
fn class_map(
    network: &Network,
    path: &Path,
    (class, at): (usize, &MapAt),
    site: Site,
) -> Result<Arc<RgbImage>, String> {
    let logits = network
        .logits()
        .ok_or("the model has no class scores, and no class activation maps")?;
    let objective = Objective {
        kind: Kind::Class,
        value: logits.into(),
    };
    let unit = Unit {
        index: class,
        position: (0, 0),
    };
    let picture = read(path, &site.stop)?;
    let choice = CamOptions {
        method: at.method,
        layer: at.layer.as_deref(),
    };
    let map = photo_map::of_photo(network, (&objective, unit), &picture, choice, site)
        .map_err(|problem| problem.to_string())?;
    let small = shrunk(&picture, MAX_SIDE);
    let map = map.resized(small.width(), small.height());
    let overlaid = heatmap::overlay_rows(&small, |row| map.row(row as usize).to_vec());
    Ok(Arc::new(overlaid))
}

fn read(path: &Path, stop: &CancelHandle) -> Result<RgbImage, String> {
    picture::read_until(path, stop).map_err(|problem| problem.to_string())
}

/// The picture with no side longer than `longest`.
fn shrunk(picture: &RgbImage, longest: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let side = width.max(height);
    if side <= longest {
        return picture.clone();
    }
    let scaled = |length: u32| {
        let length = u64::from(length) * u64::from(longest) / u64::from(side);
        (length as u32).max(1)
    };
    imageops::thumbnail(picture, scaled(width), scaled(height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ascent::layer_probe::Rank;
    use crate::runs::worker::photo::question;

    #[test]
    fn only_the_newest_question_of_a_kind_waits() {
        let channels = |layer: &str| About::Channels {
            layer: layer.into(),
            rank: Rank::Mean,
            count: 3,
        };
        let mut photos = Photos::default();
        for about in [
            About::Photo,
            channels("a"),
            About::Class {
                class: 1,
                at: MapAt::default(),
            },
            channels("b"),
        ] {
            photos.ask(question("x.png", about));
        }
        let order = std::iter::from_fn(|| photos.take().map(|question| question.about));
        let order: Vec<About> = order.collect();
        assert_eq!(
            order,
            [
                About::Photo,
                About::Class {
                    class: 1,
                    at: MapAt::default()
                },
                channels("b")
            ]
        );
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let why = read(Path::new("/dev/null"), &CancelHandle::default()).unwrap_err();
        assert_eq!(why, "/dev/null: a device, not a regular file");
        assert!(read(Path::new("/no/such.png"), &CancelHandle::default()).is_err());
    }

    #[test]
    fn a_photo_that_is_left_is_not_waited_for() {
        let mut photos = Photos::default();
        photos.ask(question("a.png", About::Listed));
        photos.ask(question("b.png", About::Photo));
        photos.leave(Path::new("a.png"));
        assert_eq!(photos.take().unwrap().photo, Path::new("b.png"));
        assert!(!photos.is_left());
        photos.leave(Path::new("b.png"));
        assert!(photos.is_left() && photos.take().is_none());
    }

    #[test]
    fn a_long_photo_is_shrunk_and_a_small_one_stays() {
        assert_eq!(shrunk(&RgbImage::new(4000, 3), 100).dimensions(), (100, 1));
        assert_eq!(shrunk(&RgbImage::new(40, 30), 100).dimensions(), (40, 30));
    }
}
