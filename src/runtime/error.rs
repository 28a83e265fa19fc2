//! Errors of the runtime. Every message is one line: what failed, why, and what to do.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::device::{Device, PROVIDERS};
use crate::text::joined_lines;
use crate::text::quoted;

/// An error of the runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No `pip` answers on this machine.
    #[error(
        "{package} cannot be downloaded: no pip was found (tried {tried}); install Python 3 with pip and try again"
    )]
    NoPip { package: String, tried: String },

    /// `pip` could not reach its index.
    #[error(
        "{package} cannot be downloaded: the package index does not answer ({reason}); check the network, or the index and proxy that `pip config list` shows"
    )]
    NoIndex { package: String, reason: String },

    /// `pip` ran and failed.
    #[error(
        "{package} cannot be downloaded: pip says: {reason}; run `pip download {package}` to see the full output"
    )]
    Pip { package: String, reason: String },

    /// The downloaded file is not the pinned one.
    #[error(
        "{package} is refused: its {what} is {got}, pinned is {pinned}; nothing was installed, check which index `pip config list` names"
    )]
    NotPinned {
        package: String,
        what: &'static str,
        got: String,
        pinned: String,
    },

    /// The package's archive cannot be read, or lacks a needed file.
    #[error("{package} cannot be unpacked: {reason}; nothing was installed")]
    Unpack { package: String, reason: String },

    /// A file or folder could not be read or written.
    #[error("cannot {doing} {}: {source}{}", path.display(), remedy(source.kind()))]
    File {
        doing: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },

    /// There is no pinned library for this machine.
    #[error(
        "no ONNX Runtime {wanted} is pinned for {system}: install ONNX Runtime 1.{minimum} or newer and set ORT_DYLIB_PATH to its library file"
    )]
    NoBuild {
        wanted: &'static str,
        system: String,
        minimum: u32,
    },

    /// No usable library was found, and the download failed.
    #[error("ONNX Runtime was not found ({skipped}) and {fetch}")]
    NoLibrary { skipped: String, fetch: Box<Error> },

    /// A library that the user named cannot be used.
    #[error("{} cannot be used as ONNX Runtime: {reason}; {remedy}", path.display())]
    BadLibrary {
        path: PathBuf,
        reason: String,
        remedy: String,
    },

    /// A session was opened before [`super::Library::load`].
    #[error("ONNX Runtime is not loaded yet: load the library before opening a session")]
    NotLoaded,

    /// A name of no provider.
    #[error("unknown provider `{0}`: use {PROVIDERS}")]
    UnknownProvider(String),

    /// A list of providers that cannot be used; one line.
    #[error("{0}")]
    ProviderList(String),

    /// There is no pinned plugin for this machine.
    #[error(
        "no WebGPU plugin is pinned for {system}: --provider plugin:PATH takes the path of another plugin's library"
    )]
    NoPlugin { system: String },

    /// No pinned build for GPUs suits this machine.
    #[error("no build for this machine's GPUs: {0}")]
    NoGpuBuild(String),

    /// The provider that the user named cannot start.
    #[error("{device} cannot start: {why}")]
    Provider { device: Device, why: String },

    /// ONNX Runtime refuses the model.
    #[error("ONNX Runtime refuses the model: {reason}")]
    Model { reason: String },

    /// A name that the model does not have.
    #[error("the model has no {kind} `{name}`: it has {known}")]
    NoPort {
        kind: &'static str,
        name: String,
        known: String,
    },

    /// An input without a value.
    #[error("input `{0}` of the model was given no value")]
    NoValue(String),

    /// A tensor that does not fit.
    #[error("`{name}` takes {wanted}, but was given {got}")]
    Mismatch {
        name: String,
        wanted: String,
        got: String,
    },

    /// An element type that host tensors do not have.
    #[error(
        "`{name}` has element type {element}, which cannot be exchanged; convert the model to float32"
    )]
    Unsupported { name: String, element: String },

    /// A node has an output of negative size.
    #[error(
        "node {node} ({op}) has an output of negative size: a window is larger than its input; a larger picture may help"
    )]
    NegativeSize { node: String, op: String },

    /// The graph is damaged.
    #[error(transparent)]
    Graph(#[from] crate::onnx::Error),

    /// A run failed.
    #[error("the run failed: {reason}")]
    Run { reason: String },

    /// A run failed on a device other than the CPU.
    #[error("the run failed on {device}: {reason}")]
    OnDevice { device: Device, reason: String },

    /// A device does not have enough free memory.
    #[error(
        "{device} has not enough free memory ({reason}); use fewer or smaller pictures or another device, or end other programs that use it"
    )]
    NoMemory { device: Device, reason: String },

    /// A run was stopped through its [`super::CancelHandle`].
    #[error("stopped")]
    Stopped,
}

/// The remedy for a file error, as the end of the message.
fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; free some space, or set ZIGGURAT_HOME to a folder that has it"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; set ZIGGURAT_HOME to a folder that you may write to"
        }
        _ => "",
    }
}

impl Error {
    /// Adapter for `map_err`: what was being done to which file.
    pub(super) fn file(
        doing: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }

    /// Whether the device failed, so that another one may work.
    pub fn is_of_device(&self) -> bool {
        matches!(
            self,
            Self::Provider { .. } | Self::OnDevice { .. } | Self::NoMemory { .. }
        )
    }

    /// ONNX Runtime's message, on one line.
    pub(super) fn run(error: impl std::fmt::Display) -> Self {
        Self::Run {
            reason: joined_lines(&error.to_string()),
        }
    }

    /// ONNX Runtime's message about a model, on one line.
    pub(super) fn model(error: impl std::fmt::Display) -> Self {
        let message = joined_lines(&error.to_string());
        Self::Model {
            reason: of_a_node(&message).unwrap_or(message),
        }
    }
}

/// ONNX Runtime's message about one node, `… In Node, ("NAME", OP, …) : (inputs) -> (outputs) , Error WHY`, without the
/// types of its inputs and outputs.
fn of_a_node(message: &str) -> Option<String> {
    let (_, node) = message.split_once("In Node, (\"")?;
    let (name, rest) = node.split_once("\", ")?;
    let (op, rest) = rest.split_once(',')?;
    let (_, why) = rest.rsplit_once(", Error ")?;
    let unknown = why
        .strip_prefix("No Op registered for ")
        .and_then(|unknown| unknown.rsplit_once(" with domain_version of "));
    // The opset is not named: the model may have been converted from that of its file.
    let why = match unknown {
        Some(_) => "the model's opset has no such operator; the exporter left it unconverted",
        None => why,
    };
    Some(format!("node {} ({op}): {why}", quoted(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_about_a_node_names_it_and_the_reason() {
        let message = "This is an invalid model. In Node, (\"a/Call\", Call, \"\", -1) : (\"x\": tensor(float),) -> (\"y\",) , Error";
        let model = |why| Error::model(format!("{message} {why}")).to_string();
        assert_eq!(
            model("No Op registered for Call with domain_version of 18"),
            "ONNX Runtime refuses the model: node \"a/Call\" (Call): the model's opset has no such operator; \
             the exporter left it unconverted"
        );
        assert_eq!(
            model("Node has input size 1 not in range [min=2, max=2]."),
            "ONNX Runtime refuses the model: node \"a/Call\" (Call): Node has input size 1 not in range [min=2, max=2]."
        );
        assert_eq!(
            Error::model("Protobuf\nparsing failed.").to_string(),
            "ONNX Runtime refuses the model: Protobuf parsing failed."
        );
    }
}
