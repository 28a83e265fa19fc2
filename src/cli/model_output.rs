//! Writes a model that a subcommand has made.

use super::Failure;
use super::output_file::{self, OutputFile, has_ending};
use anyhow::anyhow;
use std::io::Write;
use std::path::{Path, PathBuf};
use ziggurat::onnx::file;
use ziggurat::onnx::proto::ModelProto;

/// Weights of at least this many bytes are written beside a model that is too large for one file.
const EXTERNAL_FROM: usize = 1024;

/// A model file to be written; an existing one stays until the new one is complete.
pub struct ModelOutput {
    /// As given.
    path: PathBuf,
    /// The model that it is made from.
    source: PathBuf,
    file: OutputFile,
}

impl ModelOutput {
    /// A model that will be at `path`, made from the one at `source`.
    ///
    /// # Errors
    /// If the name does not end in `.onnx`, or as [`OutputFile::new`].
    pub fn new(path: &Path, source: &Path) -> Result<Self, Failure> {
        output_file::check(path, &[])?;
        if !has_ending(path, "onnx") {
            return Err(Failure::usage(anyhow!(
                "--export {}: models are ONNX files; let the name end in .onnx",
                path.display()
            )));
        }
        Ok(Self {
            path: path.to_path_buf(),
            source: source.to_path_buf(),
            file: OutputFile::new(path, &[("the model", source)])?,
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
        let weights = file::external_files(&self.source)?;
        let weights: Vec<_> = weights
            .iter()
            .map(|file| ("a file of the model", file.as_path()))
            .collect();
        output_file::check(&data, &weights)?;
        Ok(file::write(model, &self.path, Some(EXTERNAL_FROM))?)
    }
}
