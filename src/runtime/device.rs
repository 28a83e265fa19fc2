//! The devices that sessions run on.

use std::fmt;

use super::Plugin;

/// The providers that `--provider` accepts, for help and messages.
pub const PROVIDERS: &str =
    "auto, cpu, cuda[:N], webgpu; experimental: tensorrt[:N], plugin:PATH[,KEY=VALUE...]";

/// How several providers are named, where runs are shared out among devices, for help.
pub const PROVIDER_LISTS: &str =
    "several share the runs: cuda:0,cuda:1 or cuda:all (auto on the CPU: its cores)";

/// The device that a session runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Device {
    /// The CPU.
    Cpu,
    /// CUDA on the GPU of this number.
    Cuda(u32),
    /// TensorRT on the GPU of this number.
    TensorRt(u32),
    /// The device of a plugin.
    Plugin(Plugin),
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
