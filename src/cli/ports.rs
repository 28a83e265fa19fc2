//! Which of a model's inputs and outputs are meant, where it has several: options that every subcommand with a model has.

use super::Failure;
use anyhow::anyhow;
use ziggurat::model::Card;

#[derive(clap::Args, Default)]
#[command(next_help_heading = "Inputs and outputs of the model")]
pub struct Ports {
    /// The input that takes the picture, where several could
    #[arg(long, value_name = "NAME")]
    image_input: Option<String>,
    /// The output that holds the class scores, if not the first one that could
    #[arg(long, value_name = "NAME")]
    scores_output: Option<String>,
    /// What a further input holds everywhere
    #[arg(long, value_name = "NAME=NUMBER")]
    feed: Vec<String>,
}

impl Ports {
    /// Says in `card` what was said on the command line.
    pub fn tell(&self, card: &mut Card) -> Result<(), Failure> {
        if let Some(name) = &self.image_input {
            card.input = Some(name.clone());
        }
        if let Some(name) = &self.scores_output {
            card.output = Some(name.clone());
        }
        for text in &self.feed {
            let wrong = || Failure::usage(anyhow!("--feed {text:?}: say NAME=NUMBER"));
            // A name may hold an equals sign, a number cannot.
            let (name, number) = text.rsplit_once('=').ok_or_else(wrong)?;
            let number = number.trim().parse().map_err(|_| wrong())?;
            card.feed.insert(name.into(), number);
        }
        Ok(())
    }
}
