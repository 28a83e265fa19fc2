//! Where a session runs: on the CPU, on an NVIDIA GPU through CUDA or TensorRT, or on what a plugin reaches; and, when it
//! cannot, what is missing and what to do.

use std::fmt;
use std::str::FromStr;

use ort::ep::{self, ArenaExtendStrategy, ExecutionProvider, ExecutionProviderDispatch};
use ort::session::builder::SessionBuilder;

use super::error::one_line;
use super::nvidia::{self, files};
use super::{Error, Library, Plugin, trial};

/// What the user asks for: `auto`, `cpu`, `cuda[:N]`, `webgpu`, `tensorrt[:N]`, `plugin:PATH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Provider {
    /// CUDA on the GPU with most free memory if it works, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// CUDA on the GPU of this number, or an error.
    Cuda(u32),
    /// TensorRT on the GPU of this number (and CUDA for what it does not take), or an error.
    TensorRt(u32),
    /// What a plugin reaches, or an error.
    Plugin(Plugin),
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
    /// What a plugin reaches.
    Plugin(Plugin),
}

/// Where sessions run, and what kept them from somewhere better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// Where they run.
    pub device: Device,
    /// Why `auto` took the CPU, on a machine that has an NVIDIA device.
    pub why: Option<String>,
    /// Whether another device may be taken if this one fails: the user did not name it.
    pub may_change: bool,
}

/// Lets NVIDIA's GPUs round the factors of products to 10 bits of mantissa in ascents, if it is `1`.
pub const TF32_VARIABLE: &str = "ZIGGURAT_TF32";

/// Whether ascents may be rounded so.
pub fn is_tf32_allowed() -> bool {
    std::env::var_os(TF32_VARIABLE).is_some_and(|value| value == "1")
}

/// What messages list as providers.
pub const KNOWN: &str =
    "auto, cpu, cuda[:N], webgpu, or, as experiments, tensorrt[:N] and plugin:PATH[,KEY=VALUE...]";

impl FromStr for Provider {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(library) = text.strip_prefix("plugin:") {
            let plugin = Plugin::library(library);
            return plugin
                .map(Self::Plugin)
                .ok_or_else(|| Error::UnknownProvider(text.to_string()));
        }
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, number.parse().ok()),
            None => (text, Some(0)),
        };
        match (name, number) {
            ("auto", _) if text == name => Ok(Self::Auto),
            ("cpu", _) if text == name => Ok(Self::Cpu),
            ("webgpu", _) if text == name => Ok(Self::Plugin(Plugin::WebGpu)),
            ("cuda", Some(number)) => Ok(Self::Cuda(number)),
            ("tensorrt", Some(number)) => Ok(Self::TensorRt(number)),
            _ => Err(Error::UnknownProvider(text.to_string())),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => Device::Cpu.fmt(f),
            Self::Cuda(number) => Device::Cuda(number).fmt(f),
            Self::TensorRt(number) => Device::TensorRt(number).fmt(f),
            Self::Plugin(plugin) => Device::Plugin(plugin).fmt(f),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::TensorRt(number) => write!(f, "tensorrt:{number}"),
            Self::Plugin(plugin) => plugin.fmt(f),
        }
    }
}

impl From<Device> for Provider {
    fn from(device: Device) -> Self {
        match device {
            Device::Cpu => Self::Cpu,
            Device::Cuda(number) => Self::Cuda(number),
            Device::TensorRt(number) => Self::TensorRt(number),
            Device::Plugin(plugin) => Self::Plugin(plugin),
        }
    }
}

impl Device {
    /// Makes a session that is being built run here.
    pub(super) fn register(
        self,
        library: &'static Library,
        builder: SessionBuilder,
        tf32: bool,
    ) -> Result<SessionBuilder, Error> {
        let cannot = |why| Error::Provider { device: self, why };
        let cpu = || ep::CPU::default().with_arena_allocator(true).build();
        match self {
            Self::Cpu => append(builder, &[cpu()]),
            Self::Cuda(number) => {
                nvidia_is_ready(library, number).map_err(cannot)?;
                append(builder, &[cuda(number, tf32), cpu()])
            }
            Self::TensorRt(number) => {
                nvidia_is_ready(library, number).map_err(cannot)?;
                if !ep::TensorRT::is_available().unwrap_or(false) {
                    return Err(cannot("this ONNX Runtime is built without TensorRT".into()));
                }
                files::load_tensorrt(library);
                let tensorrt = ep::TensorRT::default()
                    .with_device_id(signed(number))
                    .build();
                append(builder, &[tensorrt, cuda(number, tf32), cpu()])
            }
            Self::Plugin(plugin) => return plugin.register(library, builder).map_err(cannot),
        }
        .map_err(|said| cannot(self.explain(&said)))
    }

    /// ONNX Runtime's complaint in one line, or better: the file that is missing and what brings it.
    pub(super) fn explain(self, said: &str) -> String {
        let said = one_line(said);
        if let Self::Cpu | Self::Plugin(_) = self {
            return said;
        }
        if said.contains("no kernel image") {
            return format!(
                "this ONNX Runtime has no code for the GPU ({said}); `ziggurat setup --gpu` downloads the build that suits it"
            );
        }
        // Only a complaint about a library is one of a missing file.
        let about_files = [
            ".so", "dlopen", "cudnn", "CUDNN", "cublas", "CUBLAS", "nvrtc",
        ];
        if !about_files.iter().any(|word| said.contains(word)) {
            return said;
        }
        let mut located = libraries();
        if let Self::TensorRt(_) = self
            && let Ok(library) = Library::loaded()
        {
            located.extend(files::load_tensorrt(library));
        }
        files::complaint(&located).unwrap_or(said)
    }
}

/// CUDA as every session has it: what was asked for and no more is taken of a GPU that others use too.
fn cuda(number: u32, tf32: bool) -> ExecutionProviderDispatch {
    ep::CUDA::default()
        .with_device_id(signed(number))
        .with_tf32(tf32)
        .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
        .build()
}

/// A device number is far below 2^31; one that is not cannot exist, and -1 makes ONNX Runtime say so.
fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(-1)
}

fn append(
    mut builder: SessionBuilder,
    providers: &[ExecutionProviderDispatch],
) -> Result<SessionBuilder, String> {
    // The CPU is named too: a session without any provider may be given one by ONNX Runtime's own policy.
    for provider in providers {
        provider
            .register(&mut builder)
            .map_err(|error| error.to_string())?;
    }
    Ok(builder)
}

/// Whether the driver, the GPU and the build fit together, and NVIDIA's libraries are loaded as far as they were found.
fn nvidia_is_ready(library: &'static Library, number: u32) -> Result<(), String> {
    let built = library.built_for_cuda()?;
    let driver = nvidia::driver()?;
    if let Some(why) = nvidia::refusal(driver, built, number) {
        return Err(why);
    }
    files::load(library);
    Ok(())
}

/// NVIDIA's libraries for the build that is loaded, and where each was found; empty if it is no build for CUDA.
pub fn libraries() -> Vec<files::Located> {
    Library::loaded().map_or_else(|_| Vec::new(), files::load)
}

impl Provider {
    /// Finds out where sessions of this provider run, by running a small model there, once a process.
    ///
    /// # Errors
    /// [`Error::Provider`] if the one that is asked for does not work.
    pub fn resolve(self) -> Result<Active, Error> {
        let library = Library::loaded()?;
        let named = |device: Device| {
            trial::result(device).map_err(|why| Error::Provider { device, why })?;
            Ok(Active {
                device,
                why: None,
                may_change: false,
            })
        };
        match self {
            Self::Cpu => Ok(Active::cpu(None)),
            Self::Cuda(number) => named(Device::Cuda(number)),
            Self::TensorRt(number) => named(Device::TensorRt(number)),
            Self::Plugin(plugin) => named(Device::Plugin(plugin)),
            Self::Auto => Ok(best(library)),
        }
    }

    /// As [`Provider::resolve`], for what takes less time than to open a GPU: `auto` is the CPU.
    ///
    /// # Errors
    /// As [`Provider::resolve`].
    pub fn resolve_for_one_shot(self) -> Result<Active, Error> {
        match self {
            Self::Auto => Ok(Active::cpu(None)),
            named => named.resolve(),
        }
    }
}

/// What `auto` takes.
fn best(library: &'static Library) -> Active {
    // Where there is no NVIDIA device, nobody expects CUDA.
    if !nvidia::has_device() {
        return Active::cpu(None);
    }
    let found = || -> Result<Device, String> {
        let built = library.built_for_cuda()?;
        let driver = nvidia::driver()?;
        let gpu = nvidia::freest(driver, built).ok_or_else(|| {
            nvidia::refusal(driver, built, 0).unwrap_or_else(|| "there is no GPU".into())
        })?;
        let device = Device::Cuda(gpu.number);
        trial::result(device).map_err(|why| format!("{device}: {why}"))?;
        Ok(device)
    };
    match found() {
        Ok(device) => Active {
            device,
            why: None,
            may_change: true,
        },
        Err(why) => Active::cpu(Some(why)),
    }
}

impl Active {
    fn cpu(why: Option<String>) -> Self {
        Self {
            device: Device::Cpu,
            why,
            may_change: false,
        }
    }

    /// Where to go on when a run fails here before anything was computed; `None` if the user named the device, or the
    /// problem is none of the device's. The device is not taken again in this process.
    pub fn after(&self, problem: &Error) -> Option<Self> {
        if !self.may_change || !problem.is_of_device() {
            return None;
        }
        let why = problem.to_string();
        trial::give_up(self.device, &why);
        Some(Self::cpu(Some(why)))
    }
}

/// What `doctor` shows of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The provider, on its first device.
    pub device: Device,
    /// Why it does not work; `None` if it does.
    pub why_not: Option<String>,
}

/// Tries every provider with a small model.
///
/// # Errors
/// If no library is loaded.
pub fn probe() -> Result<Vec<Status>, Error> {
    let library = Library::loaded()?;
    let mut devices = vec![Device::Cpu];
    let gpus = nvidia::driver().map_or(1, |driver| driver.gpus.len().max(1) as u32);
    devices.extend((0..gpus).map(Device::Cuda));
    devices.push(Device::Plugin(Plugin::WebGpu));
    // An experiment is shown where it could be made.
    if library.built_for_cuda().is_ok() && nvidia::has_device() {
        devices.push(Device::TensorRt(0));
    }
    let status = |device| Status {
        device,
        why_not: trial::result(device).err(),
    };
    Ok(devices.into_iter().map(status).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_is_written_as_it_is_read() {
        for text in [
            "auto",
            "cpu",
            "cuda:0",
            "cuda:3",
            "tensorrt:1",
            "webgpu",
            "plugin:/opt/a:b.so",
            "plugin:x.so,device=1,a=b",
        ] {
            assert_eq!(text.parse::<Provider>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse::<Provider>().unwrap(), Provider::Cuda(0));
        assert_eq!(
            "tensorrt".parse::<Provider>().unwrap(),
            Provider::TensorRt(0)
        );
    }

    #[test]
    fn a_word_that_is_no_provider_is_refused_with_those_that_are() {
        for text in [
            "gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:1", "auto:0", "webgpu:0", "plugin:", "CUDA",
            "",
        ] {
            let error = text.parse::<Provider>().unwrap_err().to_string();
            assert_eq!(error, format!("unknown provider `{text}`: use {KNOWN}"));
        }
    }

    #[test]
    fn auto_goes_on_with_the_cpu_when_the_device_it_took_fails() {
        let failed = || Error::OnDevice {
            device: Device::Cuda(4321),
            reason: "CUDNN_STATUS_EXECUTION_FAILED".into(),
        };
        let auto = Active {
            device: Device::Cuda(4321),
            why: None,
            may_change: true,
        };
        let next = auto.after(&failed()).unwrap();
        assert_eq!(next.device, Device::Cpu);
        assert_eq!(
            next.why.as_deref(),
            Some("the run failed on cuda:4321: CUDNN_STATUS_EXECUTION_FAILED")
        );
        assert_eq!(next.after(&failed()), None);
        let named = Active {
            may_change: false,
            ..auto.clone()
        };
        assert_eq!(named.after(&failed()), None);
        assert_eq!(auto.after(&Error::Stopped), None);
        assert_eq!(auto.after(&Error::model("it is damaged")), None);
    }

    #[test]
    fn without_a_gpu_a_provider_says_what_is_missing() {
        super::super::testing::library();
        assert_eq!(Provider::Cpu.resolve().unwrap().device, Device::Cpu);
        assert_eq!(
            Provider::Auto.resolve_for_one_shot().unwrap().device,
            Device::Cpu
        );
        if nvidia::has_device() {
            return;
        }
        assert_eq!(Provider::Auto.resolve().unwrap(), Active::cpu(None));
        let why = Provider::Cuda(0).resolve().unwrap_err().to_string();
        assert!(
            why.starts_with("cuda:0 cannot start: ") && why.contains("setup --gpu"),
            "{why}"
        );
        let missing = "plugin:/nowhere/libx.so".parse::<Provider>().unwrap();
        let why = missing.resolve().unwrap_err().to_string();
        assert!(why.contains("no such file"), "{why}");
    }
}
