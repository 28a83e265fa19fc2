//! The explorer in a pseudo-terminal, with a home of its own.

use super::emulator::{Emulator, Kind};
use super::sandbox::Sandbox;
use portable_pty::CommandBuilder;
use std::fs;
use std::path::{Path, PathBuf};
use ziggurat::home::Home;

/// Keys that choose the preset `quick` of [`Fixture::new`], whichever was chosen last time.
pub const QUICK: &str = ":preset quick\r";

/// What the header says once the default model is open.
pub const OPEN: &str = "1000 classes";

/// A home that shares ONNX Runtime and models with all other tests of the checkout.
pub struct Fixture {
    sandbox: Sandbox,
    pub home: Home,
}

impl Fixture {
    /// A home whose preset `quick` takes so many steps.
    pub fn new(steps: usize) -> Self {
        let fixture = Self::in_sandbox(Sandbox::with_models());
        fixture
            .sandbox
            .configure(&format!("[presets.quick]\nsteps = {steps}\n"));
        fixture
    }

    /// A home with nothing in it, not even ONNX Runtime.
    pub fn empty() -> Self {
        Self::in_sandbox(Sandbox::empty())
    }

    fn in_sandbox(sandbox: Sandbox) -> Self {
        fs::create_dir_all(sandbox.root()).unwrap();
        let home = sandbox.home.clone();
        Self { sandbox, home }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.root().join(name)
    }

    /// Writes `config.toml`.
    pub fn configure(&self, text: &str) {
        self.sandbox.configure(text);
    }

    /// The command that starts the program in this home, on the CPU.
    pub fn command(&self, arguments: &[&str]) -> CommandBuilder {
        self.command_on("cpu", arguments)
    }

    /// The command that starts the program in this home, on these devices.
    pub fn command_on(&self, providers: &str, arguments: &[&str]) -> CommandBuilder {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_ziggurat"));
        command.args(["--provider", providers]);
        command.args(arguments);
        command.env("ZIGGURAT_HOME", self.sandbox.root());
        command.cwd(self.sandbox.root());
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
        self.sandbox.output(arguments)
    }

    /// The folders of the runs in history.
    pub fn runs(&self) -> Vec<PathBuf> {
        folders(&self.home.history())
    }
}

/// Chooses a class of ImageNet by searching for it, and runs it.
pub fn run_class(terminal: &Emulator, name: &str) {
    terminal.type_text("2");
    terminal.wait_for("tench");
    terminal.type_text(&format!("/{name}\r"));
    terminal.wait_for("1/1");
    terminal.type_text("\r");
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
