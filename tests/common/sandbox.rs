//! A folder for the files of one test, and the program with a `ZIGGURAT_HOME` for that test.

// Each test binary uses a part of this.
#![allow(dead_code)]

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use ziggurat::home::Home;
use ziggurat::model::ModelSource;
use ziggurat::runtime::{package, testing};

/// A temporary folder, removed with this value.
pub struct Sandbox {
    folder: tempfile::TempDir,
    /// `ZIGGURAT_HOME` of the program.
    root: PathBuf,
    pub home: Home,
}

impl Sandbox {
    /// With an empty home: no ONNX Runtime, no models.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("home");
        let home = Home::at(&root);
        Self { folder, root, home }
    }

    /// With a home of its own that shares ONNX Runtime with all other tests of the checkout.
    pub fn with_runtime() -> Self {
        testing::library();
        let sandbox = Self::empty();
        sandbox.share(&testing::home().runtime());
        sandbox
    }

    /// With a home of its own that shares ONNX Runtime and downloaded models, the default one among them.
    pub fn with_models() -> Self {
        let sandbox = Self::with_runtime();
        let shared = testing::home();
        let source = ModelSource::resolve(&shared, None).unwrap();
        source.open(&shared, &package::quiet).unwrap();
        sandbox.share(&shared.models());
        sandbox
    }

    /// With the home that all tests of the checkout share, for commands that store nothing.
    pub fn with_shared_home() -> Self {
        let mut sandbox = Self::empty();
        let shared = std::env::var_os("ZIGGURAT_HOME").filter(|root| !root.is_empty());
        let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-home");
        sandbox.root = shared.map_or(usual, PathBuf::from);
        sandbox.home = testing::home();
        sandbox
    }

    /// Links a folder of the shared home into this one.
    fn share(&self, folder: &Path) {
        let data = self.root.join("data");
        fs::create_dir_all(&data).unwrap();
        if folder.exists() {
            symlink(folder, data.join(folder.file_name().unwrap())).unwrap();
        }
    }

    /// `ZIGGURAT_HOME` of the program.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().unwrap().to_string()
    }

    pub fn exists(&self, name: &str) -> bool {
        Path::new(&self.path(name)).exists()
    }

    /// The names of all files in the folder, hidden ones too.
    pub fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into());
        let mut names: Vec<PathBuf> = names.collect();
        names.sort();
        names
    }

    /// Writes a file into the folder, and returns its path.
    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// Writes `config.toml`.
    pub fn configure(&self, text: &str) {
        let path = self.home.settings();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The program with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ziggurat"));
        command.env("ZIGGURAT_HOME", &self.root).args(arguments);
        command
    }

    /// Standard output and standard error of a command that succeeds.
    pub fn printed(&self, arguments: &[&str]) -> (String, String) {
        let done = self.command(arguments).assert().success();
        let text = |bytes: &[u8]| String::from_utf8(bytes.into()).unwrap();
        let output = done.get_output();
        (text(&output.stdout), text(&output.stderr))
    }

    /// Standard output of a command that succeeds.
    pub fn output(&self, arguments: &[&str]) -> String {
        self.printed(arguments).0
    }

    /// Standard error of a command that succeeds.
    pub fn notices(&self, arguments: &[&str]) -> String {
        self.printed(arguments).1
    }

    /// The lines of JSON that a command prints.
    pub fn objects(&self, arguments: &[&str]) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap();
        self.output(arguments).lines().map(parse).collect()
    }

    /// The error of a command that fails with this exit status: one line, the last of standard error. Nothing is on
    /// standard output.
    pub fn complaint(&self, status: i32, arguments: &[&str]) -> String {
        let failed = self.command(arguments).assert().code(status);
        let output = failed.get_output();
        assert!(output.stdout.is_empty(), "{arguments:?} printed a result");
        let text = String::from_utf8(output.stderr.clone()).unwrap();
        let is_error = |line: &&str| line.starts_with("ziggurat: ");
        let errors: Vec<&str> = text.lines().filter(is_error).collect();
        assert_eq!(errors.len(), 1, "{text}");
        assert_eq!(text.lines().last(), Some(errors[0]), "{text}");
        errors[0].to_string()
    }
}
