//! Ranks the channels of layers by their activation for a picture, with the position of the maximum.
//!
//! Only three numbers per channel leave the device: mean, maximum, and the index of the maximum. Complete feature maps
//! ([`ChannelMaps`]) are read for a few channels of one layer. Activations are compared unscaled, so channels of larger
//! scale rank higher.
//!
//! For the command line and the explorer.

use super::Error;
use super::evaluate::{Site, largest, session};
use crate::model::Network;
use crate::onnx::{Builder, ElementType, Types, ValueType};
use crate::runtime::{Device, Session, Tensor};
use crate::text::quoted;
use ndarray::{Array2, Array4, ArrayD};
use std::str::FromStr;

/// Prefix of the names of new nodes and values.
const PREFIX: &str = "layers/";

/// The ranking criterion of channels, in descending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rank {
    /// The mean over the channel's positions, which is also the objective of a channel.
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

/// The activation of one channel of a layer for a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelActivation {
    pub channel: usize,
    /// The mean activation over the positions, or over all elements of a channel without positions.
    pub mean: f32,
    /// The maximum activation.
    pub maximum: f32,
    /// Row and column of the (first) maximum; `None` if the layer has no positions.
    pub at: Option<(usize, usize)>,
}

/// A session that ranks channels of several layers, for any number of pictures.
#[derive(Debug)]
pub struct LayerProbe {
    input: String,
    watched: Vec<Watched>,
    session: Session,
}

/// A layer, and the names of the statistics of its channels, each (1, channels).
#[derive(Debug)]
struct Watched {
    layer: String,
    mean: String,
    maximum: String,
    /// The index of the maximum among the elements of a channel.
    place: String,
    /// The activations, (1, channels, elements).
    activations: String,
    /// Rows and columns; `None` without positions.
    plane: Option<(usize, usize)>,
}

impl LayerProbe {
    /// Opens a session for the layers of these names.
    ///
    /// # Errors
    /// [`Error::NoSuchUnit`] if a layer does not exist or has no channels, [`Error::Runtime`] if the device cannot run
    /// it.
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

    /// The `count` highest-ranking channels of each layer for one picture (1, C, H, W) in model-input units, in the
    /// order of the layers. Ties are broken by channel index.
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
        let results = self.session.run(&[(&self.input, &picture)], &outputs)?;
        let mut results = results.into_iter();
        let channels = |watched: &Watched| {
            let channels = watched.read(&mut results)?;
            let by = channels.iter().map(|channel| channel.by(rank));
            let ranked = largest(by, count).into_iter();
            Ok(ranked.map(|(channel, _)| channels[channel]).collect())
        };
        self.watched.iter().map(channels).collect()
    }
}

/// A session for the feature maps of the most activated channels of one layer, for any number of pictures.
#[derive(Debug)]
pub struct ChannelMaps {
    input: String,
    watched: Watched,
    /// The channels, (1, count), and their activations, (1, 1, count, elements).
    ranked: String,
    maps: String,
    session: Session,
}

/// A channel and its feature map, (rows, columns); `None` without positions.
pub type ChannelMap = (ChannelActivation, Option<Array2<f32>>);

impl ChannelMaps {
    /// Opens a session for the `count` highest-ranking channels of a layer.
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

    /// The most activated channels for one picture (1, C, H, W) in model-input units, in descending order, with their
    /// feature maps.
    ///
    /// # Errors
    /// As [`LayerProbe::strongest`].
    pub fn of(&mut self, picture: Array4<f32>) -> Result<Vec<ChannelMap>, Error> {
        let picture = Tensor::from(picture);
        let mut outputs = self.watched.outputs().to_vec();
        outputs.extend([self.ranked.as_str(), &self.maps]);
        let results = self.session.run(&[(&self.input, &picture)], &outputs)?;
        let mut results = results.into_iter();
        let channels = self.watched.read(&mut results)?;
        let ranked: ArrayD<i64> = next(&mut results)?;
        let maps: ArrayD<f32> = next(&mut results)?;
        let numbers = maps.len() / ranked.len().max(1);
        let values: Vec<f32> = maps.into_iter().collect();
        let maps = values.chunks(numbers.max(1));
        let map = |(&channel, values): (&i64, &[f32])| {
            let map = self.watched.plane.and_then(|plane| {
                // A feature map has one element per position.
                Array2::from_shape_vec(plane, values.to_vec()).ok()
            });
            (channels[channel as usize], map)
        };
        Ok(ranked.iter().zip(maps).map(map).collect())
    }
}

impl Watched {
    /// Emits the statistics of a layer.
    fn emit(
        network: &Network,
        builder: &mut Builder,
        shapes: &mut Types,
        layer: &str,
    ) -> Result<Self, Error> {
        let layout = network.layout(layer).ok_or_else(|| {
            Error::NoSuchUnit(format!("{} is not a layer with channels", quoted(layer)))
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

    /// The statistics of every channel, from the next three results.
    fn read(
        &self,
        results: &mut impl Iterator<Item = Tensor>,
    ) -> Result<Vec<ChannelActivation>, Error> {
        let means: ArrayD<f32> = next(results)?;
        let maxima: ArrayD<f32> = next(results)?;
        let places: ArrayD<i64> = next(results)?;
        if !means.iter().chain(&maxima).all(|value| value.is_finite()) {
            return Err(Error::NotFiniteLayer(quoted(&self.layer)));
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

/// The next result as an array of its known type.
fn next<T>(results: &mut impl Iterator<Item = Tensor>) -> Result<ArrayD<T>, Error>
where
    ArrayD<T>: TryFrom<Tensor, Error = crate::runtime::Error>,
{
    let tensor = results
        .next()
        .expect("a run has as many results as are asked for");
    Ok(tensor.try_into()?)
}
