//! Errors of ONNX Runtime, classified by what the user can do about them.

use super::nvidia::files;
use super::{Device, Error, Library};
use crate::text::joined_lines;

impl Error {
    /// An operation on a device failed with this message of ONNX Runtime.
    pub(super) fn on(device: Device, error: impl std::fmt::Display) -> Self {
        let reason = joined_lines(&error.to_string());
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

    /// Why it happened, without the device.
    pub(crate) fn into_reason(self) -> String {
        match self {
            Self::Provider { why, .. } => why,
            Self::OnDevice { reason, .. } => reason,
            other => other.to_string(),
        }
    }

    /// A session could not be opened on a device, with this message of ONNX Runtime.
    pub(super) fn opening(device: Device, message: &str) -> Self {
        if device == Device::Cpu || is_about_the_model(message) {
            return Self::model(message);
        }
        match Self::on(device, message) {
            Self::OnDevice { device, reason } => Self::Provider {
                device,
                why: reason,
            },
            other => other,
        }
    }
}

impl Device {
    /// ONNX Runtime's message on one line, or a better one: the file that is missing and the package that contains it.
    pub(super) fn explain(self, message: &str) -> String {
        let message = joined_lines(message);
        if let Self::Cpu | Self::Plugin(_) = self {
            return message;
        }
        if message.contains("no kernel image") {
            return format!(
                "this ONNX Runtime has no code for the GPU ({message}); `ziggurat setup --gpu` downloads the build that suits it"
            );
        }
        let message = without_source(&message);
        // Only a message about a library can mean a missing file.
        let about_files = [
            ".so", "dlopen", "cudnn", "CUDNN", "cublas", "CUBLAS", "nvrtc",
        ];
        if !about_files.iter().any(|word| message.contains(word)) {
            return message;
        }
        let Ok(library) = Library::loaded() else {
            return message;
        };
        let mut located = library.nvidia_libraries();
        if let Self::TensorRt(_) = self {
            located.extend(library.tensorrt_libraries());
        }
        files::complaint(&located).unwrap_or(message)
    }
}

/// A message about a call of CUDA without the place in ONNX Runtime's source, but with the call.
fn without_source(message: &str) -> String {
    let at = |words: &str| message.find(words);
    let (Some(source), Some(failure), Some(gpu)) =
        (at("/onnxruntime_src/"), at("CUDA failure "), at(" ; GPU="))
    else {
        return message.to_string();
    };
    if !(source < failure && failure < gpu) {
        return message.to_string();
    }
    let call = message.rsplit_once("expr=").map(|(_, call)| call);
    let call = call.map_or_else(String::new, |call| {
        format!(" in {}", call.trim_end_matches([';', ' ']))
    });
    format!("{}{}{call}", &message[..source], &message[failure..gpu])
}

/// Whether ONNX Runtime rejects the model itself, on whatever device.
fn is_about_the_model(message: &str) -> bool {
    let of_files = [
        "This is an invalid model",
        "Protobuf parsing failed",
        "INVALID_GRAPH",
        "INVALID_PROTOBUF",
        "Type Error",
        "ShapeInferenceError",
        "NOT_IMPLEMENTED",
    ];
    of_files.iter().any(|words| message.contains(words))
}

/// Whether a message of ONNX Runtime, CUDA, cuDNN, cuBLAS or Vulkan reports that memory is exhausted.
fn is_about_memory(message: &str) -> bool {
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
    .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_classified_by_its_remedy() {
        let on = |message: &str| Error::on(Device::Cuda(1), message);
        for message in [
            "CUDA failure 2: out of memory ; GPU=0",
            "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 4",
            "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
            "std::bad_alloc",
        ] {
            assert!(matches!(on(message), Error::NoMemory { .. }), "{message}");
        }
        let error = on("CUDNN_STATUS_NOT_SUPPORTED\nin Conv");
        assert!(error.is_of_device());
        assert_eq!(
            error.to_string(),
            "the run failed on cuda:1: CUDNN_STATUS_NOT_SUPPORTED in Conv"
        );
        let of_cuda = "/onnxruntime_src/cuda_call.cc:154 std::conditional_t<THRW, void> CudaCall(ERRTYPE) [with ERRTYPE = cudaError] CUDA failure 900: not permitted ; GPU=0 ; hostname=a ; file=/onnxruntime_src/cuda_graph.cc ; line=61 ; expr=cudaStreamEndCapture(stream_, &graph);";
        assert_eq!(
            on(of_cuda).to_string(),
            "the run failed on cuda:1: CUDA failure 900: not permitted in cudaStreamEndCapture(stream_, &graph)"
        );
        let on_cpu = Error::on(Device::Cpu, "a shape does not fit");
        assert!(matches!(on_cpu, Error::Run { .. }) && !on_cpu.is_of_device());
    }
}
