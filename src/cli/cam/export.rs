//! `ziggurat cam --export`: writes a classifier with its class activation map as a further output.

use crate::cli::model_options::ModelOptions;
use crate::cli::model_options::dimension;
use crate::cli::model_output::ModelOutput;
use crate::cli::{Failure, classify, output, startup};
use anyhow::anyhow;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use ziggurat::ascent::cam::Method;
use ziggurat::ascent::{self, CamOptions, CamRequest, cam_model};
use ziggurat::home::Home;

/// The options of the map of a picture, which have no effect on an export. Each option of the
/// export conflicts with them.
const OF_A_PICTURE: [&str; 3] = ["target", "out", "provider"];

#[derive(clap::Args)]
#[command(next_help_heading = "The heat map as a model")]
pub struct Export {
    /// Write the model with an input class and an output heatmap
    #[arg(long, value_name = "M.onnx", conflicts_with_all = OF_A_PICTURE)]
    pub export: Option<PathBuf>,
    /// Fix the batch size [default: any, if the graph allows]
    #[arg(long, value_name = "N", requires = "export", conflicts_with_all = OF_A_PICTURE, value_parser = dimension)]
    batch: Option<NonZeroUsize>,
    /// Make the input class mandatory: onnxruntime-web needs that to set it
    #[arg(long, requires = "export", conflicts_with_all = OF_A_PICTURE)]
    require_class: bool,
}

impl Export {
    /// Writes the model to `path`.
    pub fn run(
        &self,
        home: &Home,
        path: &Path,
        model: &Path,
        (method, layer): (Method, Option<&str>),
        model_options: &ModelOptions,
    ) -> Result<(), Failure> {
        let model = classify::text(model)?;
        let written = ModelOutput::new(home, path, &startup::source(home, Some(model))?)?;
        let network = startup::quiet_network(home, Some(model), model_options)?;
        let layer = layer.map(|name| startup::layer(&network, name));
        let layer = layer.transpose()?;
        let request = CamRequest {
            map: CamOptions {
                method,
                layer: layer.as_deref(),
            },
            batch: self.batch,
            class_required: self.require_class,
        };
        let result = cam_model(&network, &request).map_err(|problem| match problem {
            wrong @ ascent::Error::NoMap(_) => Failure::usage(wrong),
            wrong @ ascent::Error::FixedBatch => Failure::usage(anyhow!("--batch: {wrong}")),
            other => other.into(),
        })?;
        let fixed = result.fixed_size.map(|size| {
            format!(
                "height and width, which the model leaves open, are fixed at {} × {} pixels (--input-size sets others)",
                size.height, size.width
            )
        });
        for note in fixed.iter().chain(&result.notes) {
            output::notice(&format!("{}: {note}", path.display()));
        }
        written.finish(result.model)
    }
}
