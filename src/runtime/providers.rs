//! Where a session runs: on the CPU, on a GPU through CUDA, or on a GPU through TensorRT; and, when it cannot, the file
//! or driver that is missing.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use ort::session::builder::SessionBuilder;

use super::error::one_line;
use super::library::GPU_VERSION;
use super::{Error, Library};

/// What the user asks for: `auto`, `cpu`, `cuda[:N]`, `tensorrt[:N]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Provider {
    /// CUDA on the first GPU if it can start, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// CUDA on the GPU of this number, or an error.
    Cuda(u32),
    /// TensorRT on the GPU of this number (and CUDA for what it does not take), or an error.
    TensorRt(u32),
}

/// Where a session really runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Device {
    /// The CPU.
    Cpu,
    /// CUDA on the GPU of this number.
    Cuda(u32),
    /// TensorRT on the GPU of this number.
    TensorRt(u32),
}

/// Where a session runs, and what kept it from somewhere better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// Where it runs.
    pub device: Device,
    /// Why `auto` fell back to the CPU, on a machine that has an NVIDIA device.
    pub why: Option<String>,
}

impl FromStr for Provider {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, number.parse().ok()),
            None => (text, Some(0)),
        };
        match (name, number) {
            ("auto", _) if text == name => Ok(Self::Auto),
            ("cpu", _) if text == name => Ok(Self::Cpu),
            ("cuda", Some(number)) => Ok(Self::Cuda(number)),
            ("tensorrt", Some(number)) => Ok(Self::TensorRt(number)),
            _ => Err(Error::UnknownProvider(text.to_string())),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => Device::Cpu.fmt(f),
            Self::Cuda(number) => Device::Cuda(*number).fmt(f),
            Self::TensorRt(number) => Device::TensorRt(*number).fmt(f),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::TensorRt(number) => write!(f, "tensorrt:{number}"),
        }
    }
}

impl Device {
    /// The number of the GPU, if it is one.
    pub fn gpu(self) -> Option<u32> {
        match self {
            Self::Cpu => None,
            Self::Cuda(number) | Self::TensorRt(number) => Some(number),
        }
    }

    /// How people call it.
    fn title(self) -> &'static str {
        match self {
            Self::Cpu => "the CPU",
            Self::Cuda(_) => "CUDA",
            Self::TensorRt(_) => "TensorRT",
        }
    }

    /// Whether the loaded library has code for it.
    fn is_compiled_in(self) -> bool {
        match self {
            Self::Cpu => Ok(true),
            Self::Cuda(_) => ep::CUDA::is_available(),
            Self::TensorRt(_) => ep::TensorRT::is_available(),
        }
        .unwrap_or(false)
    }

    /// ONNX Runtime's providers for it, first choice first. The CPU is named too: a session without any provider may be
    /// given one by ONNX Runtime's own policy.
    fn providers(self, tf32: bool) -> Vec<ExecutionProviderDispatch> {
        // A device number is far below 2^31; one that is not cannot exist, and -1 makes ONNX Runtime say so. It is
        // always set: without it, a missing driver is noticed only when the session is built.
        let number = |number: u32| i32::try_from(number).unwrap_or(-1);
        let cuda = |n| {
            ep::CUDA::default()
                .with_device_id(number(n))
                .with_tf32(tf32)
                .build()
        };
        let cpu = ep::CPU::default().with_arena_allocator(true).build();
        match self {
            Self::Cpu => vec![cpu],
            Self::Cuda(n) => vec![cuda(n), cpu],
            Self::TensorRt(n) => {
                let tensorrt = ep::TensorRT::default().with_device_id(number(n)).build();
                vec![tensorrt, cuda(n), cpu]
            }
        }
    }

    /// Makes a session that is being built run here.
    pub(super) fn register(
        self,
        library: &Library,
        builder: &mut SessionBuilder,
        tf32: bool,
    ) -> Result<(), Error> {
        if !self.is_compiled_in() {
            return Err(self.cannot(format!(
                "the ONNX Runtime at {} is built without {}; run `ziggurat setup --gpu` to fetch one that has it",
                library.found().path.display(),
                self.title()
            )));
        }
        self.providers(tf32)
            .iter()
            .try_for_each(|provider| provider.register(builder))
            .map_err(|error| self.cannot(self.explain(&error.to_string())))
    }

    fn cannot(self, why: String) -> Error {
        Error::Provider { device: self, why }
    }

    /// ONNX Runtime's complaint, or better: every file that is missing.
    pub(super) fn explain(self, said: &str) -> String {
        let said = one_line(said);
        let missing: Vec<Need> = needs(self).into_iter().filter(|need| !need.found).collect();
        // A library of the system's own may be built for another CUDA, so the list holds only if the complaint is one
        // of a missing file at all.
        let about_files = said.contains("cannot open shared object") || said.contains(".so");
        if missing.is_empty() || !about_files {
            return said;
        }
        let files: Vec<&str> = missing.iter().map(|need| need.file).collect();
        let mut sources: Vec<&str> = missing.iter().map(|need| need.from).collect();
        sources.dedup();
        format!(
            "not found: {}; install {}, or put their folders on LD_LIBRARY_PATH",
            files.join(", "),
            sources.join(", ")
        )
    }
}

/// A library of the machine that ONNX Runtime's GPU build needs beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Its file name.
    pub file: &'static str,
    /// What brings it.
    pub from: &'static str,
    /// Whether this machine's loader finds it.
    pub found: bool,
}

const DRIVER: &str = "the NVIDIA driver";
const CUDA: &str = "CUDA 13";
const CUDNN: &str = "cuDNN 9 for CUDA 13";
const TENSORRT: &str = "TensorRT 10";

/// For CUDA: what the pinned GPU build links to, and what it opens later.
const CUDA_FILES: [(&str, &str); 7] = [
    ("libcuda.so.1", DRIVER),
    ("libcudart.so.13", CUDA),
    ("libcublasLt.so.13", CUDA),
    ("libcublas.so.13", CUDA),
    ("libcurand.so.10", CUDA),
    ("libcufft.so.12", CUDA),
    ("libcudnn.so.9", CUDNN),
];
/// For TensorRT, besides.
const TENSORRT_FILES: [(&str, &str); 2] = [
    ("libnvinfer.so.10", TENSORRT),
    ("libnvonnxparser.so.10", TENSORRT),
];

/// What the pinned GPU build of ONNX Runtime needs on this machine for a device, and whether it is there. Files that
/// are found stay loaded.
pub fn needs(device: Device) -> Vec<Need> {
    let (cuda, tensorrt): (&[_], &[_]) = match device {
        Device::Cpu => (&[], &[]),
        Device::Cuda(_) => (&CUDA_FILES, &[]),
        Device::TensorRt(_) => (&CUDA_FILES, &TENSORRT_FILES),
    };
    cuda.iter()
        .chain(tensorrt)
        .map(|&(file, from)| Need {
            file,
            from,
            found: ort::util::preload_dylib(file).is_ok(),
        })
        .collect()
}

/// What `doctor` shows of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The provider, on the first GPU.
    pub device: Device,
    /// Whether the loaded library has code for it.
    pub compiled_in: bool,
    /// Why it cannot start; `None` if it did.
    pub why_not: Option<String>,
}

/// Tries every provider with a model of one node.
///
/// # Errors
/// If no library is loaded.
pub fn probe() -> Result<Vec<Status>, Error> {
    Library::loaded()?;
    let devices = [Device::Cpu, Device::Cuda(0), Device::TensorRt(0)];
    Ok(devices.into_iter().map(status).collect())
}

impl Provider {
    /// Finds out where sessions of this provider run, by opening a model of one node.
    ///
    /// # Errors
    /// [`Error::Provider`] if the one that is asked for cannot start.
    pub fn resolve(self) -> Result<Active, Error> {
        let session = super::Session::open(ONE_NODE, self, &super::Options::default())?;
        Ok(session.active().clone())
    }
}

impl From<Device> for Provider {
    fn from(device: Device) -> Self {
        match device {
            Device::Cpu => Self::Cpu,
            Device::Cuda(number) => Self::Cuda(number),
            Device::TensorRt(number) => Self::TensorRt(number),
        }
    }
}

/// Files that the drivers of NVIDIA's devices make: on a server, under WSL, on a Jetson.
const DEVICE_FILES: [&str; 4] = ["dev/nvidiactl", "dev/nvidia0", "dev/dxg", "dev/nvhost-gpu"];

/// NVIDIA's number among makers of PCI devices, as Linux writes it.
const PCI_VENDOR: &str = "0x10de";

/// Whether this machine has an NVIDIA device, with or without a driver. Where it has none, nobody expects CUDA.
pub fn has_nvidia_device() -> bool {
    has_nvidia_device_below(Path::new("/"))
}

fn has_nvidia_device_below(root: &Path) -> bool {
    let devices = std::fs::read_dir(root.join("sys/bus/pci/devices"));
    let mut devices = devices.into_iter().flatten().flatten();
    let is_of_nvidia = |device: std::fs::DirEntry| {
        let vendor = std::fs::read_to_string(device.path().join("vendor"));
        vendor.is_ok_and(|vendor| vendor.trim() == PCI_VENDOR)
    };
    DEVICE_FILES.iter().any(|file| root.join(file).exists()) || devices.any(is_of_nvidia)
}

fn status(device: Device) -> Status {
    Status {
        device,
        compiled_in: device.is_compiled_in(),
        why_not: Provider::from(device)
            .resolve()
            .err()
            .map(|error| match error {
                Error::Provider { why, .. } => why,
                other => other.to_string(),
            }),
    }
}

/// `y = Relu(x)` over one float32, as the bytes of an ONNX file of IR version 8 and opset 17.
const ONE_NODE: &[u8] = b"\x08\x08\x3a\x2b\
    \x0a\x0c\x0a\x01x\x12\x01y\x22\x04Relu\
    \x12\x01g\
    \x5a\x0b\x0a\x01x\x12\x06\x0a\x04\x08\x01\x12\x00\
    \x62\x0b\x0a\x01y\x12\x06\x0a\x04\x08\x01\x12\x00\
    \x42\x04\x0a\x00\x10\x11";

/// What `setup --gpu` says once the GPU build is there.
pub fn gpu_report() -> String {
    let missing: Vec<_> = needs(Device::Cuda(0))
        .into_iter()
        .filter(|need| !need.found)
        .collect();
    if missing.is_empty() {
        return format!("ONNX Runtime {GPU_VERSION} for GPUs has all it needs on this machine");
    }
    let list: Vec<_> = missing
        .iter()
        .map(|need| format!("{} ({})", need.file, need.from))
        .collect();
    format!(
        "ONNX Runtime {GPU_VERSION} for GPUs also needs, and does not find: {}",
        list.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_is_written_as_it_is_read() {
        for text in ["auto", "cpu", "cuda:0", "cuda:3", "tensorrt:1"] {
            assert_eq!(text.parse::<Provider>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse::<Provider>().unwrap(), Provider::Cuda(0));
        assert_eq!(
            "tensorrt".parse::<Provider>().unwrap(),
            Provider::TensorRt(0)
        );
    }

    #[test]
    fn an_nvidia_device_is_known_by_its_driver_or_by_its_maker() {
        let root = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let has = || has_nvidia_device_below(root.path());
        assert!(!has());
        put("sys/bus/pci/devices/0000:00:02.0/vendor", "0x8086\n");
        assert!(!has());
        put("sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n");
        assert!(has());
        std::fs::remove_dir_all(root.path().join("sys")).unwrap();
        put("dev/nvidiactl", "");
        assert!(has());
    }

    #[test]
    fn a_word_that_is_no_provider_is_refused_with_those_that_are() {
        for text in [
            "gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:1", "auto:0", "CUDA", "",
        ] {
            let error = text.parse::<Provider>().unwrap_err().to_string();
            assert_eq!(
                error,
                format!("unknown provider `{text}`: use auto, cpu, cuda[:N] or tensorrt[:N]")
            );
        }
    }
}
