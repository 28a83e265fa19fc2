//! Resolves the provider that the user asks for to a device that works, or to the reason why it
//! does not and the remedy.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use super::{Device, Error, Library, Plugin, nvidia, trial};

/// What the user asks for; see [`super::device::PROVIDERS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Provider {
    /// CUDA on the GPU with the most free memory that works, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// CUDA on the GPU of this number, or an error.
    Cuda(u32),
    /// TensorRT on the GPU of this number (and CUDA for nodes that TensorRT does not support), or an error.
    TensorRt(u32),
    /// The device of a plugin, or an error.
    Plugin(Plugin),
}

/// The device that a provider was resolved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedProvider {
    /// The device.
    pub device: Device,
    /// Why `auto` chose it although another device could be expected: the CPU on a machine with an
    /// NVIDIA GPU, or the next device after one that failed.
    pub why: Option<String>,
    /// Whether another device may be used if this one fails: the user did not name it.
    pub may_change: bool,
}

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
        match self.named_device() {
            None => f.write_str("auto"),
            Some(device) => device.fmt(f),
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

impl Provider {
    /// The device that it names; `None` for `auto`.
    pub fn named_device(self) -> Option<Device> {
        match self {
            Self::Auto => None,
            Self::Cpu => Some(Device::Cpu),
            Self::Cuda(number) => Some(Device::Cuda(number)),
            Self::TensorRt(number) => Some(Device::TensorRt(number)),
            Self::Plugin(plugin) => Some(Device::Plugin(plugin)),
        }
    }

    /// Finds the device, by running a small model on it, once per process.
    ///
    /// # Errors
    /// [`Error::Provider`] if the device that the user named does not work.
    pub fn resolve(self) -> Result<ResolvedProvider, Error> {
        let library = Library::loaded()?;
        let device = match self.named_device() {
            None => return Ok(best(library)),
            Some(Device::Cpu) => return Ok(ResolvedProvider::cpu(None)),
            Some(device) => device,
        };
        trial::result(device).map_err(|why| Error::Provider { device, why })?;
        Ok(ResolvedProvider {
            device,
            why: None,
            may_change: false,
        })
    }

    /// As [`Provider::resolve`], for commands that take less time than opening a GPU: `auto` is the CPU.
    ///
    /// # Errors
    /// As [`Provider::resolve`].
    pub fn resolve_for_one_shot(self) -> Result<ResolvedProvider, Error> {
        match self {
            Self::Auto => Ok(ResolvedProvider::cpu(None)),
            named => named.resolve(),
        }
    }
}

/// What `auto` resolves to. A GPU that was chosen once stays the choice of this process as long as
/// it works: checkpoints and the history tell GPUs apart, and the process' own memory would make
/// another one the freest.
fn best(library: &'static Library) -> ResolvedProvider {
    static CHOSEN: Mutex<Option<Device>> = Mutex::new(None);
    // Without an NVIDIA GPU, nobody expects CUDA.
    if !nvidia::is_expected() {
        return ResolvedProvider::cpu(None);
    }
    let mut chosen = CHOSEN.lock().unwrap_or_else(PoisonError::into_inner);
    let works = |device: &Device| trial::result(*device).is_ok();
    if let Some(device) = chosen.filter(works) {
        return ResolvedProvider::gpu(device);
    }
    let candidates = || -> Result<Vec<Device>, String> {
        let built = library.built_for_cuda()?;
        let driver = nvidia::ask_driver()?;
        let gpus = nvidia::by_free_memory(&driver, built)?;
        Ok(gpus.iter().map(|gpu| Device::Cuda(gpu.number)).collect())
    };
    match candidates().and_then(|devices| first_working(&devices, trial::result)) {
        Ok(device) => {
            *chosen = Some(device);
            ResolvedProvider::gpu(device)
        }
        Err(why) => ResolvedProvider::cpu(Some(why)),
    }
}

/// The first device that passes `trial`.
///
/// # Errors
/// The reason for each device.
fn first_working(
    devices: &[Device],
    trial: impl Fn(Device) -> Result<(), String>,
) -> Result<Device, String> {
    let mut reasons = Vec::new();
    for &device in devices {
        match trial(device) {
            Ok(()) => return Ok(device),
            Err(why) => reasons.push(format!("{device}: {why}")),
        }
    }
    Err(reasons.join("; "))
}

impl ResolvedProvider {
    /// A GPU that `auto` has chosen.
    fn gpu(device: Device) -> Self {
        Self {
            device,
            why: None,
            may_change: true,
        }
    }

    fn cpu(why: Option<String>) -> Self {
        Self {
            device: Device::Cpu,
            why,
            may_change: false,
        }
    }

    /// One line about an unexpected choice of `auto`: `running on the CPU: …`.
    pub fn explanation(&self) -> Option<String> {
        let why = self.why.as_ref()?;
        Some(match self.device {
            Device::Cpu => format!("running on the CPU: {why}"),
            device => format!("running on {device}: {why}"),
        })
    }

    /// The device to restart on when a run fails at its first step: the next GPU that works,
    /// otherwise the CPU. `None` if the user named the device, or the error does not concern the
    /// device. The failed device is not used again in this process.
    pub fn after(&self, problem: &Error) -> Option<Self> {
        if !self.may_change || !problem.is_of_device() {
            return None;
        }
        let why = problem.to_string();
        trial::give_up(self.device, &why);
        let next = Library::loaded().map_or_else(|_| Self::cpu(None), best);
        Some(Self {
            why: Some(why),
            ..next
        })
    }
}

/// The state of a provider, for `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The device.
    pub device: Device,
    /// Why it does not work; `None` if it does.
    pub why_not: Option<String>,
}

/// Runs a small model on every device.
///
/// # Errors
/// If no library is loaded.
pub fn probe() -> Result<Vec<Status>, Error> {
    let library = Library::loaded()?;
    let mut devices = vec![Device::Cpu];
    let gpus = nvidia::driver().map_or(1, |driver| driver.gpus.len().max(1) as u32);
    devices.extend((0..gpus).map(Device::Cuda));
    devices.push(Device::Plugin(Plugin::WebGpu));
    // Experimental: listed only where it could work.
    if library.built_for_cuda().is_ok() && nvidia::is_expected() {
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
    use crate::runtime::device::PROVIDERS;

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
            assert_eq!(error, format!("unknown provider `{text}`: use {PROVIDERS}"));
        }
    }

    #[test]
    fn auto_goes_on_with_the_cpu_when_the_device_it_took_fails() {
        let failed = || Error::OnDevice {
            device: Device::Cuda(4321),
            reason: "CUDNN_STATUS_EXECUTION_FAILED".into(),
        };
        let auto = ResolvedProvider {
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
        assert_eq!(
            next.explanation().as_deref(),
            Some("running on the CPU: the run failed on cuda:4321: CUDNN_STATUS_EXECUTION_FAILED")
        );
        assert_eq!(next.after(&failed()), None);
        let named = ResolvedProvider {
            may_change: false,
            ..auto.clone()
        };
        assert_eq!(named.after(&failed()), None);
        assert_eq!(auto.after(&Error::Stopped), None);
        assert_eq!(auto.after(&Error::model("it is damaged")), None);
    }

    #[test]
    fn auto_tries_every_gpu_and_gives_the_reason_for_each() {
        let devices = [Device::Cuda(1), Device::Cuda(0)];
        let only = |good: u32| {
            move |device| {
                if device == Device::Cuda(good) {
                    Ok(())
                } else {
                    Err("out of memory".to_string())
                }
            }
        };
        assert_eq!(first_working(&devices, only(1)), Ok(Device::Cuda(1)));
        assert_eq!(first_working(&devices, only(0)), Ok(Device::Cuda(0)));
        assert_eq!(
            first_working(&devices, only(7)).unwrap_err(),
            "cuda:1: out of memory; cuda:0: out of memory"
        );
    }

    #[test]
    fn without_a_gpu_a_provider_says_what_is_missing() {
        crate::runtime::testing::library();
        assert_eq!(Provider::Cpu.resolve().unwrap().device, Device::Cpu);
        assert_eq!(
            Provider::Auto.resolve_for_one_shot().unwrap().device,
            Device::Cpu
        );
        if nvidia::is_expected() {
            return;
        }
        assert_eq!(
            Provider::Auto.resolve().unwrap(),
            ResolvedProvider::cpu(None)
        );
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
