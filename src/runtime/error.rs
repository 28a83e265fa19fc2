//! What can go wrong in this room. Every message is one line: what, why, and what to do.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::providers::{Device, KNOWN};
use super::tensors::Element;
use crate::text::printable;

/// An error of the runtime room.
#[derive(Debug, thiserror::Error)]
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
        "{package} cannot be downloaded: pip says: {reason}; run `pip download {package}` to see all of it"
    )]
    Pip { package: String, reason: String },

    /// What arrived is not the pinned file.
    #[error(
        "{package} is refused: its {what} is {got}, pinned is {pinned}; nothing was installed, check which index `pip config list` names"
    )]
    NotPinned {
        package: String,
        what: &'static str,
        got: String,
        pinned: String,
    },

    /// The package's archive cannot be read, or does not hold what is needed.
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

    /// Nothing usable was found, and fetching failed.
    #[error("ONNX Runtime was not found ({skipped}) and {fetch}")]
    NoLibrary { skipped: String, fetch: Box<Error> },

    /// A library that was asked for by name cannot be used.
    #[error("{} cannot be used as ONNX Runtime: {reason}; {remedy}", path.display())]
    BadLibrary {
        path: PathBuf,
        reason: String,
        remedy: String,
    },

    /// A session was asked for before [`super::Library::load`].
    #[error("ONNX Runtime is not loaded yet: load the library before opening a session")]
    NotLoaded,

    /// A word that names no provider.
    #[error("unknown provider `{0}`: use {KNOWN}")]
    UnknownProvider(String),

    /// There is no pinned plugin for this machine.
    #[error(
        "no WebGPU plugin is pinned for {system}: --provider plugin:PATH takes the path of another plugin's library"
    )]
    NoPlugin { system: String },

    /// No pinned build for GPUs suits this machine.
    #[error("no build for this machine's GPUs: {0}")]
    NoGpuBuild(String),

    /// The provider that was asked for cannot start.
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

    /// An input that was not given.
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
    Unsupported { name: String, element: Element },

    /// A node makes something of a negative size.
    #[error(
        "node {node} ({op}) makes something smaller than nothing, as where a window is larger than what it slides over; a larger picture may help"
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

    /// A device has no memory left for what is asked of it.
    #[error(
        "{device} has not enough free memory ({reason}); take fewer or smaller pictures, another device, or end what else uses it"
    )]
    NoMemory { device: Device, reason: String },

    /// A run was stopped through its [`super::Stop`].
    #[error("stopped")]
    Stopped,
}

/// What a person can do about a file error, as the tail of a line.
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

    /// Whether it is the device that failed, so that another may do better.
    pub fn is_of_device(&self) -> bool {
        matches!(
            self,
            Self::Provider { .. } | Self::OnDevice { .. } | Self::NoMemory { .. }
        )
    }

    /// ONNX Runtime's message about what was done on a device, on one line.
    pub(super) fn on(device: Device, error: impl std::fmt::Display) -> Self {
        let reason = one_line(&error.to_string());
        if is_about_memory(&reason) {
            return Self::NoMemory { device, reason };
        }
        match device {
            Device::Cpu => Self::Run { reason },
            device => Self::OnDevice {
                device,
                reason: device.explain(&reason),
            },
        }
    }

    /// ONNX Runtime's message about a session that could not be made.
    pub(super) fn opening(device: Device, said: &str) -> Self {
        if device == Device::Cpu || is_about_the_model(said) {
            return Self::model(said);
        }
        match Self::on(device, said) {
            Self::OnDevice { device, reason } => Self::Provider {
                device,
                why: reason,
            },
            other => other,
        }
    }

    /// ONNX Runtime's message, on one line.
    pub(super) fn run(error: impl std::fmt::Display) -> Self {
        Self::Run {
            reason: one_line(&error.to_string()),
        }
    }

    /// ONNX Runtime's message about a model, on one line.
    pub(super) fn model(error: impl std::fmt::Display) -> Self {
        let said = one_line(&error.to_string());
        Self::Model {
            reason: of_a_node(&said).unwrap_or(said),
        }
    }
}

/// What ONNX Runtime holds against one node, `… In Node, ("NAME", OP, …) : (inputs) -> (outputs) , Error WHY`, without the
/// types of all that goes in and comes out.
fn of_a_node(said: &str) -> Option<String> {
    let (_, node) = said.split_once("In Node, (\"")?;
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
    Some(format!("node {} ({op}): {why}", printable(name)))
}

/// Whether ONNX Runtime refuses a model before any device is asked.
fn is_about_the_model(said: &str) -> bool {
    let of_files = [
        "This is an invalid model",
        "Protobuf parsing failed",
        "INVALID_GRAPH",
        "INVALID_PROTOBUF",
        "Type Error",
        "ShapeInferenceError",
        "NOT_IMPLEMENTED",
    ];
    of_files.iter().any(|words| said.contains(words))
}

/// Whether a message of ONNX Runtime, CUDA, cuDNN, cuBLAS or Vulkan says that memory is used up.
fn is_about_memory(said: &str) -> bool {
    [
        "out of memory",
        "Out of memory",
        "OUT_OF_MEMORY",
        "OUT_OF_DEVICE_MEMORY",
        "Failed to allocate memory",
        "ALLOC_FAILED",
        "bad_alloc",
        "CUDA failure 2:",
    ]
    .iter()
    .any(|words| said.contains(words))
}

/// The loader's own words: its error says only that `dlopen` failed, the error below it says why.
pub(super) fn loader_says(error: &dyn std::error::Error) -> String {
    let inner = std::iter::successors(Some(error), |error| error.source()).last();
    one_line(&inner.unwrap_or(error).to_string())
}

/// A message of several lines as one.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_sorted_by_what_can_be_done_about_it() {
        let on = |said: &str| Error::on(Device::Cuda(1), said);
        for said in [
            "CUDA failure 2: out of memory ; GPU=0",
            "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 4",
            "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
            "std::bad_alloc",
        ] {
            assert!(matches!(on(said), Error::NoMemory { .. }), "{said}");
        }
        let error = on("CUDNN_STATUS_NOT_SUPPORTED\nin Conv");
        assert!(error.is_of_device());
        assert_eq!(
            error.to_string(),
            "the run failed on cuda:1: CUDNN_STATUS_NOT_SUPPORTED in Conv"
        );
        let on_cpu = Error::on(Device::Cpu, "a shape does not fit");
        assert!(matches!(on_cpu, Error::Run { .. }) && !on_cpu.is_of_device());
    }

    #[test]
    fn a_complaint_about_a_node_names_it_and_says_why() {
        let said = "This is an invalid model. In Node, (\"a/Call\", Call, \"\", -1) : (\"x\": tensor(float),) -> (\"y\",) , Error";
        let model = |why| Error::model(format!("{said} {why}")).to_string();
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
