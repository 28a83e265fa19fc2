//! Several execution providers for one list of runs: `--provider cuda:0,cuda:1` or `cuda:all`.

use std::fmt;
use std::str::FromStr;

use super::{Error, Provider, ResolvedProvider, nvidia};

/// Every NVIDIA GPU.
const ALL_GPUS: &str = "cuda:all";
/// Maximum number of devices.
pub const MAX_DEVICES: usize = 64;

/// The devices that share runs out among them: one worker per entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderList {
    /// These, in this order; never empty. Only an entry alone can be [`Provider::Auto`].
    Named(Vec<Provider>),
    /// CUDA on every GPU that the driver shows and that works.
    AllGpus,
}

/// The devices of a [`ProviderList`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedProviders {
    /// Never empty.
    pub devices: Vec<ResolvedProvider>,
    /// Why GPUs of `cuda:all` are left out; one line each.
    pub left_out: Vec<String>,
}

impl Default for ProviderList {
    fn default() -> Self {
        Self::from(Provider::Auto)
    }
}

impl From<Provider> for ProviderList {
    fn from(provider: Provider) -> Self {
        Self::Named(vec![provider])
    }
}

impl FromStr for ProviderList {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == ALL_GPUS {
            return Ok(Self::AllGpus);
        }
        // The options of a plugin are separated by commas, too.
        if text.starts_with("plugin:") {
            return text.parse::<Provider>().map(Self::from);
        }
        let names = text.split(',').map(str::trim);
        if names.clone().any(|name| name == ALL_GPUS) {
            return Err(Error::ProviderList(format!(
                "{ALL_GPUS} names every GPU: give it alone"
            )));
        }
        let named: Vec<Provider> = names.map(str::parse).collect::<Result<_, _>>()?;
        if named.len() > 1 && named.contains(&Provider::Auto) {
            return Err(Error::ProviderList(
                "auto chooses one device: name each device of a list".into(),
            ));
        }
        if named.len() > MAX_DEVICES {
            return Err(Error::ProviderList(format!(
                "{} devices are named: a list has at most {MAX_DEVICES}",
                named.len()
            )));
        }
        Ok(Self::Named(named))
    }
}

impl fmt::Display for ProviderList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllGpus => f.write_str(ALL_GPUS),
            Self::Named(named) => {
                let names: Vec<String> = named.iter().map(Provider::to_string).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

impl ProviderList {
    /// The provider, if it is one.
    pub fn single(&self) -> Option<Provider> {
        match self {
            Self::Named(named) => <[Provider; 1]>::try_from(named.as_slice())
                .ok()
                .map(|[provider]| provider),
            Self::AllGpus => None,
        }
    }

    /// The provider for work that takes one device: the first of a list, `auto` for every GPU.
    pub fn first(&self) -> Provider {
        match self {
            Self::Named(named) => named.first().copied().unwrap_or_default(),
            Self::AllGpus => Provider::Auto,
        }
    }

    /// The provider of each worker. Asks the driver for the GPUs of `cuda:all`.
    ///
    /// # Errors
    /// [`Error::ProviderList`] if there is no GPU for `cuda:all`.
    pub fn providers(&self) -> Result<Vec<Provider>, Error> {
        match self {
            Self::Named(named) => Ok(named.clone()),
            Self::AllGpus => {
                let no_gpu = |why: &str| Error::ProviderList(format!("{ALL_GPUS}: {why}"));
                let driver = nvidia::driver().map_err(no_gpu)?;
                let gpus = driver.gpus.iter().take(MAX_DEVICES);
                let all: Vec<Provider> = gpus.map(|gpu| Provider::Cuda(gpu.number)).collect();
                if all.is_empty() {
                    return Err(no_gpu("the NVIDIA driver shows no GPU"));
                }
                Ok(all)
            }
        }
    }

    /// Finds the device of each worker, by running a small model on it. GPUs of `cuda:all` that do
    /// not work are left out.
    ///
    /// # Errors
    /// [`Error::Provider`] if a device that the user named does not work, or no GPU of `cuda:all` does.
    pub fn resolve(&self) -> Result<ResolvedProviders, Error> {
        let (mut devices, mut left_out) = (Vec::new(), Vec::new());
        let mut failed = None;
        for provider in self.providers()? {
            match provider.resolve() {
                Ok(device) => devices.push(device),
                Err(problem) if *self == Self::AllGpus => {
                    left_out.push(problem.to_string());
                    failed = failed.or(Some(problem));
                }
                Err(problem) => return Err(problem),
            }
        }
        match failed {
            Some(problem) if devices.is_empty() => Err(problem),
            _ => Ok(ResolvedProviders { devices, left_out }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Device;

    fn list(text: &str) -> Result<ProviderList, String> {
        text.parse().map_err(|problem: Error| problem.to_string())
    }

    #[test]
    fn a_list_is_written_as_it_is_read() {
        for text in [
            "auto",
            "cpu",
            "cpu,cpu",
            "cuda:0,cuda:3,cpu",
            "cuda:all",
            "webgpu,cpu",
            "plugin:x.so,device=1,a=b",
        ] {
            assert_eq!(list(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn one_provider_is_a_list_of_one() {
        assert_eq!(list("cuda").unwrap().single(), Some(Provider::Cuda(0)));
        assert_eq!(list("cuda:all").unwrap().single(), None);
        let two = list("cuda:1,cuda:0").unwrap();
        assert_eq!((two.single(), two.first()), (None, Provider::Cuda(1)));
        assert_eq!(list("cuda:all").unwrap().first(), Provider::Auto);
    }

    #[test]
    fn a_list_names_real_devices() {
        for text in ["cuda:0,", ",cpu", "cpu,,cpu", "cpu,gpu"] {
            let why = list(text).unwrap_err();
            assert!(why.starts_with("unknown provider `"), "{text}: {why}");
        }
        assert_eq!(list("cpu, cpu").unwrap().to_string(), "cpu,cpu");
        assert!(list("cuda:all,cpu").unwrap_err().contains("give it alone"));
        assert!(list("auto,cpu").unwrap_err().contains("auto chooses one"));
        let many = ["cpu"; MAX_DEVICES + 1].join(",");
        assert!(list(&many).unwrap_err().contains("at most 64"));
    }

    #[test]
    fn each_entry_is_a_device() {
        crate::runtime::testing::library();
        let found = list("cpu,cpu").unwrap().resolve().unwrap();
        let devices: Vec<Device> = found.devices.iter().map(|one| one.device).collect();
        assert_eq!(devices, [Device::Cpu, Device::Cpu]);
        assert_eq!(found.left_out, [""; 0]);
    }
}
