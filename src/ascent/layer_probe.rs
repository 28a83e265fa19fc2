//! Which channels of a network's layers a given picture activates most, and where in the picture.
//!
//! Of a layer's channels only three numbers each leave the device: the mean and the maximum of the activations, and where
//! the maximum is. The activations themselves ([`ChannelMaps`]) are read for a few channels of one layer. What is compared is
//! the activation as the layer makes it: two channels whose activations differ in scale differ in rank for that alone.
//!
//! For the command line and the explorer.

use super::Error;
use super::evaluate::{Site, largest, session};
use crate::model::Network;
use crate::onnx::{Builder, ElementType, Types, ValueType};
use crate::runtime::{Device, Session, Tensor};
use crate::text::printable;
use ndarray::{Array2, Array4, ArrayD};
use std::str::FromStr;

/// What new nodes and values are called.
const PREFIX: &str = "layers/";

/// By which number channels are ranked, the largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rank {
    /// The mean over the channel's positions: what a run of a channel maximizes.
    #[default]
    Mean,
    /// The maximum over the channel's positions.
    Maximum,
}

impl FromStr for Rank {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "mean" => Ok(Self::Mean),
            "maximum" | "max" => Ok(Self::Maximum),
            _ => Err(format!(
                "channels are ranked by mean or by maximum, not by {text:?}"
            )),
        }
    }
}

/// What a picture makes of one channel of a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelActivation {
    pub channel: usize,
    /// The mean of its activations: over its plane, or over all of its numbers where it has no positions.
    pub mean: f32,
    /// The largest of them.
    pub maximum: f32,
    /// Row and column of the maximum, the first if there are several; `None` where the layer has no positions.
    pub at: Option<(usize, usize)>,
}

/// Some layers of a network, ready for one picture after another.
#[derive(Debug)]
pub struct LayerProbe {
    input: String,
    watched: Vec<Watched>,
    session: Session,
}

/// A layer, and the values that say what a picture makes of its channels, each (1, channels).
#[derive(Debug)]
struct Watched {
    layer: String,
    mean: String,
    maximum: String,
    /// The index of the maximum among a channel's numbers.
    place: String,
    /// The activations, (1, channels, numbers).
    activations: String,
    /// Rows and columns, if there are any.
    plane: Option<(usize, usize)>,
}

impl LayerProbe {
    /// Opens a session that makes what is wanted of `layers`, by their names.
    ///
    /// # Errors
    /// [`Error::NoSuchUnit`] if a layer does not exist or has no channels, [`Error::Runtime`] if the device cannot run it.
    pub fn open(network: &Network, layers: &[&str], device: Device) -> Result<Self, Error> {
        let mut builder = Builder::extend(network.graph.clone(), PREFIX);
        let mut shapes = network.shapes.clone();
        let watch = |layer: &&str| Watched::emit(network, &mut builder, &mut shapes, layer);
        let watched: Vec<Watched> = layers.iter().map(watch).collect::<Result<_, Error>>()?;
        let outputs: Vec<&str> = watched.iter().flat_map(Watched::outputs).collect();
        let session = session(builder.graph(), &outputs, device)?;
        Ok(Self {
            input: network.input.clone(),
            watched,
            session,
        })
    }

    /// For each layer, in the order in which they were given, at most `count` of the channels that rank first for one
    /// picture (1, C, H, W) in model-input units; of equals the first.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the picture does not fit or the device fails, [`Error::NotFiniteLayer`].
    pub fn strongest(
        &mut self,
        picture: Array4<f32>,
        rank: Rank,
        count: usize,
    ) -> Result<Vec<Vec<ChannelActivation>>, Error> {
        let picture = Tensor::from(picture);
        let outputs: Vec<&str> = self.watched.iter().flat_map(Watched::outputs).collect();
        let found = self.session.run(&[(&self.input, &picture)], &outputs)?;
        let mut found = found.into_iter();
        let channels = |watched: &Watched| {
            let channels = watched.read(&mut found)?;
            let by = channels.iter().map(|channel| channel.by(rank));
            let ranked = largest(by, count).into_iter();
            Ok(ranked.map(|(channel, _)| channels[channel]).collect())
        };
        self.watched.iter().map(channels).collect()
    }
}

/// The feature maps of the channels of one layer that a picture activates most, ready for one picture after
/// another.
#[derive(Debug)]
pub struct ChannelMaps {
    input: String,
    watched: Watched,
    /// Which channels, (1, count), and their activations, (1, 1, count, numbers).
    ranked: String,
    maps: String,
    session: Session,
}

/// A channel, and its activations over its plane, (rows, columns), if it has one.
pub type ChannelMap = (ChannelActivation, Option<Array2<f32>>);

impl ChannelMaps {
    /// Opens a session for at most `count` channels of a layer, those that rank first.
    ///
    /// # Errors
    /// As [`LayerProbe::open`].
    pub fn open(
        network: &Network,
        layer: &str,
        (rank, count): (Rank, usize),
        site: impl Into<Site>,
    ) -> Result<Self, Error> {
        let mut builder = Builder::extend(network.graph.clone(), PREFIX);
        let mut shapes = network.shapes.clone();
        let watched = Watched::emit(network, &mut builder, &mut shapes, layer)?;
        let channels = shapes.get(&watched.activations)?.dims[1];
        let count = builder.ints(&[count.min(channels) as i64]);
        let by = match rank {
            Rank::Mean => &watched.mean,
            Rank::Maximum => &watched.maximum,
        };
        let ranked = builder.emit_many("TopK", &[by, &count], &[], 2);
        let ranked = ranked[1].clone();
        let axis = [("axis", 1i64.into())];
        let maps = builder.emit("Gather", &[&watched.activations, &ranked], &axis);
        let mut outputs = watched.outputs().to_vec();
        outputs.extend([ranked.as_str(), &maps]);
        let session = session(builder.graph(), &outputs, site)?;
        Ok(Self {
            input: network.input.clone(),
            session,
            watched,
            ranked,
            maps,
        })
    }

    /// The channels that one picture (1, C, H, W) in model-input units activates most, the strongest first, with their
    /// maps.
    ///
    /// # Errors
    /// As [`LayerProbe::strongest`].
    pub fn of(&mut self, picture: Array4<f32>) -> Result<Vec<ChannelMap>, Error> {
        let picture = Tensor::from(picture);
        let mut outputs = self.watched.outputs().to_vec();
        outputs.extend([self.ranked.as_str(), &self.maps]);
        let found = self.session.run(&[(&self.input, &picture)], &outputs)?;
        let mut found = found.into_iter();
        let channels = self.watched.read(&mut found)?;
        let ranked: ArrayD<i64> = next(&mut found)?;
        let maps: ArrayD<f32> = next(&mut found)?;
        let numbers = maps.len() / ranked.len().max(1);
        let values: Vec<f32> = maps.into_iter().collect();
        let maps = values.chunks(numbers.max(1));
        let map = |(&channel, values): (&i64, &[f32])| {
            let map = self.watched.plane.and_then(|plane| {
                // A plane has as many numbers as places.
                Array2::from_shape_vec(plane, values.to_vec()).ok()
            });
            (channels[channel as usize], map)
        };
        Ok(ranked.iter().zip(maps).map(map).collect())
    }
}

impl Watched {
    /// Emits what is wanted of a layer.
    fn emit(
        network: &Network,
        builder: &mut Builder,
        shapes: &mut Types,
        layer: &str,
    ) -> Result<Self, Error> {
        let layout = network.layout(layer).ok_or_else(|| {
            Error::NoSuchUnit(format!("{} is no layer with channels", printable(layer)))
        })?;
        let mut activations = layout.by_channel(builder, shapes, layer)?;
        let ValueType { elem, dims } = shapes.get(&activations)?.clone();
        if elem != ElementType::F32 {
            let code = i64::from(ElementType::F32.code());
            activations = builder.emit("Cast", &[&activations], &[("to", code.into())]);
            let elem = ElementType::F32;
            shapes.insert(&*activations, ValueType { elem, dims });
        }
        let axes = builder.ints(&[2]);
        let flat = ("keepdims", 0i64.into());
        let of = [activations.as_str(), &axes];
        let mean = builder.emit("ReduceMean", &of, std::slice::from_ref(&flat));
        let maximum = builder.emit("ReduceMax", &of, std::slice::from_ref(&flat));
        let place = builder.emit("ArgMax", &[&activations], &[("axis", 2i64.into()), flat]);
        Ok(Self {
            layer: layer.into(),
            mean,
            maximum,
            place,
            activations,
            plane: layout.plane(),
        })
    }

    fn outputs(&self) -> [&str; 3] {
        [&self.mean, &self.maximum, &self.place]
    }

    /// Every channel of the layer, from the next three of a run's results.
    fn read(
        &self,
        found: &mut impl Iterator<Item = Tensor>,
    ) -> Result<Vec<ChannelActivation>, Error> {
        let means: ArrayD<f32> = next(found)?;
        let maxima: ArrayD<f32> = next(found)?;
        let places: ArrayD<i64> = next(found)?;
        if !means.iter().chain(&maxima).all(|value| value.is_finite()) {
            return Err(Error::NotFiniteLayer(printable(&self.layer)));
        }
        let numbers = means.iter().zip(&maxima).zip(&places).enumerate();
        let channel = |(channel, ((&mean, &maximum), &place)): (usize, ((&f32, &f32), &i64))| {
            let at = |(_, columns): (usize, usize)| {
                let (place, columns) = (place as usize, columns.max(1));
                (place / columns, place % columns)
            };
            ChannelActivation {
                channel,
                mean,
                maximum,
                at: self.plane.map(at),
            }
        };
        Ok(numbers.map(channel).collect())
    }
}

impl ChannelActivation {
    fn by(&self, rank: Rank) -> f32 {
        match rank {
            Rank::Mean => self.mean,
            Rank::Maximum => self.maximum,
        }
    }
}

/// The next of a run's results, as what it is known to be.
fn next<T>(found: &mut impl Iterator<Item = Tensor>) -> Result<ArrayD<T>, Error>
where
    ArrayD<T>: TryFrom<Tensor, Error = crate::runtime::Error>,
{
    let tensor = found
        .next()
        .expect("a run has as many results as are asked for");
    Ok(tensor.try_into()?)
}
