//! Writes a model that a subcommand has made.

use super::Failure;
use super::inputs::Inputs;
use super::output_file::{self, OutputFile, has_ending, wrong_ending};
use std::io::Write;
use std::path::{Path, PathBuf};
use ziggurat::home::Home;
use ziggurat::model::ModelSource;
use ziggurat::onnx::file;
use ziggurat::onnx::proto::ModelProto;

/// Weights of at least this many bytes are written beside a model that is too large for one file.
const EXTERNAL_FROM: usize = 1024;

/// A model file to be written; an existing one stays until the new one is complete.
pub struct ModelOutput {
    /// As given.
    path: PathBuf,
    /// The model that it is made from.
    inputs: Inputs,
    file: OutputFile,
}

impl ModelOutput {
    /// A model that will be at `path`, made from that of `source`.
    ///
    /// # Errors
    /// If the name does not end in `.onnx`, or as [`OutputFile::new`].
    pub fn new(home: &Home, path: &Path, source: &ModelSource) -> Result<Self, Failure> {
        output_file::check(path, &Inputs::default())?;
        if !has_ending(path, "onnx") {
            let format = "models are ONNX files";
            return Err(wrong_ending("--export", path, format, "onnx"));
        }
        let inputs = Inputs::default().with_model(home, source);
        Ok(Self {
            path: path.to_path_buf(),
            file: OutputFile::new(path, &inputs)?,
            inputs,
        })
    }

    /// Writes the model; one that is too large for a file gets its weights in `<name>.data` beside it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self, model: ModelProto) -> Result<(), Failure> {
        if file::fits_in_one_file(&model) {
            let bytes = file::encode(&model)?;
            return Ok(self.file.finish(|writer| Ok(writer.write_all(&bytes)?))?);
        }
        let data = file::data_path(self.file.target());
        drop(self.file);
        output_file::check(&data, &self.inputs)?;
        Ok(file::write(model, &self.path, Some(EXTERNAL_FROM))?)
    }
}
