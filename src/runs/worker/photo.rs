//! Looking at photos with an open model, between two steps of whatever runs: what it takes a photo for, which channels of a
//! layer the photo activates most, and which region speaks for a class.

use super::looking::Looking;
use super::opening::Loaded;
use crate::ascent::cam::Method;
use crate::ascent::layer_probe::{ChannelActivation, ChannelMap, ChannelMaps, Rank};
use crate::ascent::probe::{Classifier, Site, largest};
use crate::ascent::{Kind, MapChoice, Objective, Settings, TOP, Unit, heat, photo_map};
use crate::model::{Activation, Network, Window, picture};
use crate::runtime::Stop;
use image::{RgbImage, imageops};
use ndarray::{Array4, Axis};
use std::borrow::Borrow;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest side of a photo as it is shown, in pixels.
const LONGEST: u32 = 1024;

/// Longest side of a feature map over the photo, in pixels.
const LONGEST_MAP: u32 = 256;

/// What is asked of a photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub photo: PathBuf,
    /// The open model that is to look at it, as [`super::Opened::model`] has it.
    pub model: String,
    pub about: About,
}

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The photo itself, and what the model takes it for.
    Photo,
    /// The same of one of a list of photos, of which nobody looks at all the others just now.
    Listed,
    /// The channels of a layer that the photo activates most, at most so many.
    Channels {
        layer: String,
        rank: Rank,
        count: usize,
    },
    /// The class activation map of a class.
    Class { class: usize, at: MapAt },
}

impl Question {
    /// Whether, once this is asked, nobody waits for the answer to another one: of one kind about one photo.
    pub fn replaces(&self, other: &Self) -> bool {
        let is_of_photo = self.photo == other.photo && self.model == other.model;
        is_of_photo && self.about.is_like(&other.about) && self.about != other.about
    }
}

impl About {
    /// Whether it is about the same kind of thing.
    fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Where and how a class activation map is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MapAt {
    pub method: Method,
    /// The layer's name; `None`: one that is found.
    pub layer: Option<String>,
}

impl MapAt {
    /// As runs with these settings take theirs.
    pub fn of(settings: &Settings) -> Self {
        let MapChoice { method, layer } = settings.map();
        Self {
            method,
            layer: layer.map(str::to_string),
        }
    }
}

/// What came of a question.
#[derive(Debug, Clone)]
pub struct Answer {
    pub question: Question,
    /// The other case is one line that says why.
    pub found: Result<Found, String>,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub enum Found {
    Photo(Arc<Photo>),
    Channels(Vec<Channel>),
    /// The class activation map over the entire photo, of the size of [`Photo::picture`].
    Class(Arc<RgbImage>),
}

/// A photo, and what the model takes it for.
#[derive(Debug, Clone, PartialEq)]
pub struct Photo {
    /// No larger than it can be shown.
    pub picture: Arc<RgbImage>,
    /// Width and height as it is stored, in pixels.
    pub size: (u32, u32),
    /// Width and height of the middle that the network sees, if that is noticeably less.
    pub seen: Option<(u32, u32)>,
    /// The classes that rank first and their probabilities, or their scores if the model has none; nothing without class
    /// scores.
    pub top: Vec<(usize, f32)>,
    pub has_probabilities: bool,
}

/// A channel, and where the photo activates it.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    pub activation: ChannelActivation,
    /// What the network sees of the photo, with the channel's positive activations as heat, scaled to the largest; `None` if the
    /// layer has not several positions.
    pub map: Option<Arc<RgbImage>>,
}

/// The questions that wait, and what is kept from one answer to the next.
#[derive(Default)]
pub struct Photos {
    waiting: VecDeque<Question>,
    /// The one that was taken last, as long as somebody waits for its answer.
    taken: Option<Question>,
    pub looking: Arc<Looking>,
    /// The photo that was looked at last.
    last: Option<Prepared>,
    /// The network that looked at it, ready for the next photo.
    classifier: Option<Classifier<Held>>,
}

/// An opened model that stays open as long as it is held.
struct Held(Arc<Loaded>);

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
    /// Takes a question; an older one about the same kind of thing that still waits is of no interest any more.
    pub fn ask(&mut self, question: Question) {
        self.waiting
            .retain(|other| !other.about.is_like(&question.about));
        self.taken.take_if(|taken| question.replaces(taken));
        self.waiting.push_back(question);
    }

    /// Nobody looks at a photo any more.
    pub fn leave(&mut self, photo: &Path) {
        self.waiting.retain(|question| question.photo != photo);
        self.taken.take_if(|question| question.photo == photo);
    }

    /// Whether nobody waits for the answer to the question that was taken last.
    pub fn is_left(&self) -> bool {
        self.taken.is_none()
    }

    /// Keeps only what is of these models.
    pub fn keep(&mut self, networks: &[Arc<Loaded>]) {
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
    pub fn answer(&mut self, loaded: &Arc<Loaded>, question: &Question) -> Result<Found, String> {
        let network = &loaded.network;
        let looking = Arc::clone(&self.looking);
        let site = Site::from((loaded.device(), &looking.stop));
        let path = question.photo.as_path();
        match &question.about {
            About::Photo | About::Listed => self.photo(loaded, path, site).map(Found::Photo),
            About::Channels { layer, rank, count } => {
                let prepared = self.prepared(network, path)?;
                let maps = ChannelMaps::open(network, layer, (*rank, *count), site)
                    .and_then(|mut maps| maps.of(prepared.input.clone()))
                    .map_err(|problem| problem.to_string())?;
                let seen = shrunk(&prepared.seen, LONGEST_MAP);
                let channels = maps.into_iter().map(|found| channel(&seen, found));
                Ok(Found::Channels(channels.collect()))
            }
            About::Class { class, at } => {
                class_map(network, path, (*class, at), site).map(Found::Class)
            }
        }
    }

    fn photo(
        &mut self,
        loaded: &Arc<Loaded>,
        path: &Path,
        site: Site,
    ) -> Result<Arc<Photo>, String> {
        let network = &loaded.network;
        let picture = read(path, &site.stop)?;
        let prepared = Prepared::of(network, path, &picture)?;
        let top = match network.logits() {
            Some(_) => self
                .classifier(loaded, site)
                .and_then(|classifier| classifier.probabilities(prepared.input.clone()))
                .map(|probabilities| largest(probabilities, TOP))
                .map_err(|problem| problem.to_string())?,
            None => Vec::new(),
        };
        self.last = Some(prepared);
        let size = picture.dimensions();
        let seen = network.preprocessing.cropped(size, network.size);
        Ok(Arc::new(Photo {
            picture: Arc::new(shrunk(&picture, LONGEST)),
            size,
            seen: seen.map(Window::size),
            top,
            has_probabilities: network.activation() != Activation::None,
        }))
    }

    /// The classifier of a model, opened if it was another's.
    fn classifier(
        &mut self,
        loaded: &Arc<Loaded>,
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

    /// The photo as the network sees it, read again if another was looked at last.
    fn prepared(&mut self, network: &Network, path: &Path) -> Result<&Prepared, String> {
        let is_last = |last: &Prepared| last.photo == path && last.model_hash == network.hash;
        let prepared = match self.last.take().filter(is_last) {
            Some(last) => last,
            None => {
                let picture = read(path, &self.looking.stop)?;
                Prepared::of(network, path, &picture)?
            }
        };
        Ok(self.last.insert(prepared))
    }
}

impl Prepared {
    fn of(network: &Network, path: &Path, picture: &RgbImage) -> Result<Self, String> {
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
    let overlaid = map.map(|map| heat::overlay(seen, &map.mapv(|value| value.max(0.0))));
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
    let choice = MapChoice {
        method: at.method,
        layer: at.layer.as_deref(),
    };
    let map = photo_map::of_photo(network, (&objective, unit), &picture, choice, site)
        .map_err(|problem| problem.to_string())?;
    let small = shrunk(&picture, LONGEST);
    let map = map.resized(small.width(), small.height());
    let overlaid = heat::overlay_rows(&small, |row| map.row(row as usize).to_vec());
    Ok(Arc::new(overlaid))
}

fn read(path: &Path, stop: &Stop) -> Result<RgbImage, String> {
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

/// A question about a photo with the model `m`.
#[cfg(test)]
pub(super) fn question(photo: &str, about: About) -> Question {
    Question {
        photo: photo.into(),
        model: "m".into(),
        about,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let why = read(Path::new("/dev/null"), &Stop::default()).unwrap_err();
        assert_eq!(why, "/dev/null: a device, not a regular file");
        assert!(read(Path::new("/no/such.png"), &Stop::default()).is_err());
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
