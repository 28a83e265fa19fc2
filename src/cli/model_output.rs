//! Writes a model that a subcommand has made.

use super::Failure;
use super::output_file::OutputFile;
use std::io::Write;
use std::path::{Path, PathBuf};
use ziggurat::onnx::file;
use ziggurat::onnx::proto::ModelProto;

/// Weights of at least this many bytes are written beside a model that is too large for one file.
const EXTERNAL_FROM: usize = 1024;

/// A model file to be written; an existing one stays until the new one is complete.
pub struct ModelOutput {
    path: PathBuf,
    file: OutputFile,
}

impl ModelOutput {
    /// A model that will be at `path`.
    ///
    /// # Errors
    /// If the folder cannot be written to, or something else than a file has this name.
    pub fn new(path: &Path) -> anyhow::Result<Self> {
        let file = OutputFile::new(path)?;
        let path = path.to_path_buf();
        Ok(Self { path, file })
    }

    /// Writes the model; one that is too large for a file gets its weights in `<name>.data` beside it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self, model: ModelProto) -> Result<(), Failure> {
        match file::encode(&model) {
            Ok(bytes) => Ok(self.file.finish(|writer| Ok(writer.write_all(&bytes)?))?),
            Err(ziggurat::onnx::Error::Unsupported(_)) => {
                drop(self.file);
                Ok(file::write(model, &self.path, Some(EXTERNAL_FROM))?)
            }
            Err(problem) => Err(problem.into()),
        }
    }
}
