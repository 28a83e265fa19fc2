//! The files that a command reads: none of its results may replace one of them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use ziggurat::files;
use ziggurat::home::Home;
use ziggurat::model::ModelSource;
use ziggurat::onnx::file::external_files;

/// The files that a command reads.
#[derive(Debug, Default)]
pub struct Inputs {
    /// What each of them is, and its path.
    files: Vec<(&'static str, PathBuf)>,
    /// The model files.
    models: Vec<PathBuf>,
    /// The external data of the models. Found when they are first needed, because the models are read for that.
    weights: OnceLock<Vec<PathBuf>>,
    /// The history, if the command uses it.
    history: Option<PathBuf>,
}

impl Inputs {
    /// With a further file. `what` completes `this is ... that the command reads`.
    #[must_use]
    pub fn with(mut self, what: &'static str, path: impl Into<PathBuf>) -> Self {
        self.files.push((what, path.into()));
        self
    }

    /// With all files of a model.
    #[must_use]
    pub fn with_model(mut self, home: &Home, source: &ModelSource) -> Self {
        self.files.extend(source.files(home));
        self.models.push(source.path(home));
        self
    }

    /// With the folder of the history, in which only Ziggurat writes.
    #[must_use]
    pub fn with_history(mut self, home: &Home) -> Self {
        self.history = Some(home.history());
        self
    }

    /// Why a result must not be written to `path`; one line without the path.
    pub fn refusal(&self, path: &Path) -> Option<String> {
        if let Some(what) = self.what_is(path) {
            return Some(format!(
                "this is {what} that the command reads; choose another name for the result"
            ));
        }
        let history = self.history.as_deref();
        history
            .filter(|history| files::is_inside(path, history))
            .map(|_| {
                "the folder of the history is for Ziggurat's own files; choose another folder"
                    .into()
            })
    }

    /// Which of the files `path` is.
    fn what_is(&self, path: &Path) -> Option<&'static str> {
        // What does not exist is none of them.
        if !path.exists() {
            return None;
        }
        let named = self.files.iter();
        let mut named = named.filter(|(_, input)| files::is_same(path, input));
        if let Some((what, _)) = named.next() {
            return Some(what);
        }
        let mut weights = self.weights().iter();
        weights
            .any(|weights| files::is_same(path, weights))
            .then_some("a file of the model")
    }

    /// The external data of the models. A model that cannot be read is reported when it is opened.
    fn weights(&self) -> &[PathBuf] {
        self.weights.get_or_init(|| {
            let models = self.models.iter();
            models
                .flat_map(|model| external_files(model).unwrap_or_default())
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_input_may_be_replaced_under_any_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("model.onnx"), "").unwrap();
        std::fs::hard_link(path("model.onnx"), path("hard.onnx")).unwrap();
        std::os::unix::fs::symlink("model.onnx", path("soft.onnx")).unwrap();
        let inputs = Inputs::default()
            .with("the picture", "none.png")
            .with("the model", path("model.onnx"));
        for name in ["model.onnx", "hard.onnx", "soft.onnx"] {
            assert_eq!(
                inputs.refusal(&path(name)).unwrap(),
                "this is the model that the command reads; choose another name for the result"
            );
        }
        assert_eq!(inputs.refusal(&path("new.onnx")), None);
    }

    #[test]
    fn all_files_of_a_model_are_inputs() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(&folder.path().join("home"));
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        let model = put("model/onnx/m.onnx", "");
        let card = put("model/onnx/m.toml", "classes.file = \"lists/own.txt\"");
        let list = put("model/onnx/lists/own.txt", "a");
        let source = ModelSource::resolve(&home, model.to_str()).unwrap();
        let beside = [
            "model/onnx/m.labels.txt",
            "model/onnx/coco.names",
            "model/labels.json",
            "model/config.json",
            "model/preprocessor_config.json",
        ]
        .map(|name| put(name, ""));
        let inputs = Inputs::default().with_model(&home, &source);
        for file in [model, card, list].iter().chain(&beside) {
            assert!(inputs.refusal(file).is_some(), "{}", file.display());
        }
        for other in ["model/onnx/labels2.json", "model/other.json"] {
            assert_eq!(inputs.refusal(&put(other, "")), None, "{other}");
        }
    }
}
