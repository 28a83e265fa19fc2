//! Options of all subcommands with a model: its inputs and outputs, and what its file leaves open.

use super::Failure;
use anyhow::anyhow;
use std::num::NonZeroUsize;
use ziggurat::model::{self, ImageSize};

/// The ids of these options.
pub const MODEL_OPTIONS: [&str; 4] = ["image_input", "input_size", "scores_output", "feed"];

/// The largest dimension that the user can set: far beyond any memory, and small enough that products of several fit
/// into 64 bits.
const MAX_DIMENSION: usize = 1 << 20;

/// Reads the size of a dimension.
///
/// # Errors
/// If it is not a number from 1 to [`MAX_DIMENSION`].
pub fn dimension(text: &str) -> Result<NonZeroUsize, String> {
    let size: Option<NonZeroUsize> = text.parse().ok();
    size.filter(|size| size.get() <= MAX_DIMENSION)
        .ok_or_else(|| format!("expected a whole number from 1 to {MAX_DIMENSION}"))
}

#[derive(clap::Args)]
#[command(next_help_heading = "Inputs and outputs of the model")]
pub struct ModelOptions {
    /// Input that takes the picture, if the model has several candidates
    #[arg(long, value_name = "NAME")]
    image_input: Option<String>,
    /// Height and width of the input, if the model leaves them open: 224 or 192x256
    #[arg(long, value_name = "SIZE")]
    input_size: Option<ImageSize>,
    #[arg(skip)]
    offered_size: Option<ImageSize>,
    /// Output with the class scores [default: the first candidate]
    #[arg(long, value_name = "NAME")]
    scores_output: Option<String>,
    /// Constant value for an extra input (repeatable)
    #[arg(long, value_name = "NAME=NUMBER")]
    feed: Vec<String>,
}

impl ModelOptions {
    /// The first of these options that is given.
    pub fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("--image-input", self.image_input.is_some()),
            ("--input-size", self.input_size.is_some()),
            ("--scores-output", self.scores_output.is_some()),
            ("--feed", !self.feed.is_empty()),
        ];
        let mut given = given.into_iter().filter(|(_, is_given)| *is_given);
        given.next().map(|(option, _)| option)
    }

    /// With the size of pictures (N, C, H, W), as the default for a model that leaves it open.
    pub fn for_pictures(mut self, dims: &[usize]) -> Self {
        if let &[_, _, height, width] = dims {
            let sides = [height, width].map(|side| u32::try_from(side).unwrap_or(0));
            self.offered_size = ImageSize::try_from(sides).ok();
        }
        self
    }

    /// The options as overrides of the card.
    pub fn read(&self) -> Result<model::ModelOverrides, Failure> {
        let number = |text: &String| {
            let wrong = || Failure::usage(anyhow!("--feed {text:?}: expected NAME=NUMBER"));
            // A name may hold an equals sign, a number cannot.
            let (name, number) = text.rsplit_once('=').ok_or_else(wrong)?;
            let number: f64 = number.trim().parse().map_err(|_| wrong())?;
            Ok((name.to_string(), number))
        };
        Ok(model::ModelOverrides {
            image_input: self.image_input.clone(),
            input_size: self.input_size,
            offered_size: self.offered_size,
            scores_output: self.scores_output.clone(),
            feed: self
                .feed
                .iter()
                .map(number)
                .collect::<Result<_, Failure>>()?,
        })
    }
}
