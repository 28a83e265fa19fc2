//! A home of a test's own, and the explorer in it.

use super::emulator::{Emulator, Kind};
use assert_cmd::Command;
use portable_pty::CommandBuilder;
use std::fs;
use std::path::{Path, PathBuf};
use ziggurat::home::Home;
use ziggurat::runtime::{package, testing};

/// Keys that choose the preset `quick` of [`Desk::new`], whichever was chosen last time.
pub const QUICK: &str = ":preset quick\r";

/// What the header says once the default model is open.
pub const OPEN: &str = "1000 classes";

/// A home that shares library and models with all other tests of the checkout.
pub struct Desk {
    folder: tempfile::TempDir,
    pub home: Home,
}

impl Desk {
    /// The home of someone whose preset `quick` takes so many steps.
    pub fn new(steps: usize) -> Self {
        let shared = testing::home();
        testing::library();
        let source = ziggurat::model::ModelSource::resolve(&shared, None).unwrap();
        source.open(&shared, &package::quiet).unwrap();
        let desk = Self::empty();
        let data = desk.path("data");
        fs::create_dir_all(&data).unwrap();
        for room in [shared.runtime(), shared.models()] {
            if room.exists() {
                std::os::unix::fs::symlink(&room, data.join(room.file_name().unwrap())).unwrap();
            }
        }
        desk.configure(&format!("[presets.quick]\nsteps = {steps}\n"));
        desk
    }

    /// A home with nothing in it, not even the library.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        Self { folder, home }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `config.toml`.
    pub fn configure(&self, text: &str) {
        fs::create_dir_all(self.path("config")).unwrap();
        fs::write(self.path("config/config.toml"), text).unwrap();
    }

    /// The command that starts the program in this home, on the CPU.
    pub fn command(&self, arguments: &[&str]) -> CommandBuilder {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_ziggurat"));
        command.args(["--provider", "cpu"]);
        command.args(arguments);
        command.env("ZIGGURAT_HOME", self.folder.path());
        command.cwd(self.folder.path());
        command
    }

    /// The explorer with the default model, open.
    pub fn explorer(&self, kind: Kind) -> Emulator {
        let terminal = Emulator::start(kind, self.command(&[]));
        terminal.wait_for(OPEN);
        terminal
    }

    /// What another subcommand prints if all goes well.
    pub fn output(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ziggurat"));
        command.env("ZIGGURAT_HOME", self.folder.path());
        let done = command.args(arguments).assert().success();
        String::from_utf8(done.get_output().stdout.clone()).unwrap()
    }

    /// The folders of the runs in history.
    pub fn runs(&self) -> Vec<PathBuf> {
        folders(&self.home.history())
    }
}

/// What lies in a folder and is not hidden, in order.
pub fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).map(|entries| entries.map(|entry| entry.unwrap().path()));
    let mut found: Vec<PathBuf> = entries.into_iter().flatten().collect();
    found.retain(|path| {
        !path
            .file_name()
            .unwrap()
            .as_encoded_bytes()
            .starts_with(b".")
    });
    found.sort();
    found
}
