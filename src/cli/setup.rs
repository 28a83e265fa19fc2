//! `ziggurat setup`: downloads what is missing.

use super::startup::{self, Fetching};
use super::{Failure, output};
use ziggurat::home::Home;
use ziggurat::model::open::DEFAULT_MODEL;
use ziggurat::model::{Error, ModelSource};
use ziggurat::runtime::library::{self, GpuPlan};
use ziggurat::runtime::{nvidia, plugin};

#[derive(clap::Args)]
pub struct Arguments {
    /// Also download ONNX Runtime for NVIDIA GPUs: the build that suits the driver and the GPUs, and NVIDIA's libraries
    /// that are not installed (CUDA and cuDNN; under NVIDIA's licence)
    #[arg(long)]
    gpu: bool,
    /// Also download the plugin for --provider webgpu, which runs wherever there is Vulkan (7 MB)
    #[arg(long)]
    webgpu: bool,
    /// Print what would be downloaded, and how many bytes
    #[arg(long)]
    dry_run: bool,
    /// Names of models to download [default: the default model]
    #[arg(value_name = "CARD")]
    cards: Vec<String>,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let home = startup::home()?;
    let mut cards = arguments.cards;
    if cards.is_empty() {
        cards.push(DEFAULT_MODEL.into());
    }
    // A misspelt name is reported before anything is downloaded.
    let mut sources = Vec::with_capacity(cards.len());
    for card in &cards {
        let source = ModelSource::resolve(&home, Some(card)).map_err(|problem| match problem {
            unknown @ Error::UnknownModel { .. } => Failure::usage(unknown),
            other => other.into(),
        })?;
        sources.push((card, source));
    }
    if arguments.gpu {
        let plan = library::plan_gpu(&home)?;
        say(&plan)?;
        if !arguments.dry_run {
            let fetching = Fetching::new();
            plan.fetch(&home, &|stage| fetching.show(stage))?;
        }
    }
    if arguments.dry_run {
        return Ok(would_fetch(&home, arguments.webgpu, &sources)?);
    }
    let found = startup::library(&home)?.found();
    output::line(&format!(
        "ONNX Runtime {} ({}): {}",
        found.version,
        found.origin,
        found.path.display()
    ))?;
    if arguments.webgpu {
        let fetching = Fetching::new();
        let path = plugin::fetch_webgpu(&home.runtime(), &|stage| fetching.show(stage))?;
        output::line(&format!("WebGPU plugin: {}", path.display()))?;
    }
    for (_, source) in sources {
        let file = {
            let fetching = Fetching::new();
            source.open(&home, &|stage| fetching.show(stage))?
        };
        output::line(&format!("{}: {}", file.name, file.path.display()))?;
    }
    Ok(())
}

/// Prints the build that suits this machine and the missing packages, before any download.
fn say(plan: &GpuPlan) -> std::io::Result<()> {
    let cuda = plan.cuda();
    match nvidia::driver() {
        Ok(_) => {}
        Err(why) => output::notice(&format!(
            "{why} (this is the build for CUDA {}, for a machine with driver {} or newer)",
            cuda.major, cuda.driver
        )),
    }
    for one in &plan.libraries {
        if let Some((place, path)) = &one.found {
            output::line(&format!("  {:<18} {place}: {}", one.file, path.display()))?;
        }
    }
    let packages: Vec<String> = plan.packages.iter().map(ToString::to_string).collect();
    match packages.is_empty() {
        true => output::line("nothing to download for the GPU"),
        false => output::line(&format!(
            "to download for CUDA {}: {}, {} in total",
            cuda.major,
            packages.join(", "),
            size(plan.bytes())
        )),
    }
}

fn would_fetch(
    home: &Home,
    webgpu: bool,
    sources: &[(&String, ModelSource)],
) -> std::io::Result<()> {
    if let Some(package) = plugin::webgpu_package().filter(|_| webgpu) {
        let state = match package.folder(&home.runtime()).is_dir() {
            true => "already downloaded".into(),
            false => size(package.bytes),
        };
        output::line(&format!("{package}: {state}"))?;
    }
    for (card, source) in sources {
        let state = match source.is_here(home) {
            true => "already downloaded",
            false => "to be downloaded",
        };
        output::line(&format!("{card}: {state}"))?;
    }
    Ok(())
}

/// A size in bytes: `1.3 GB`.
fn size(bytes: u64) -> String {
    match bytes {
        1_000_000_000.. => format!("{:.1} GB", bytes as f64 / 1e9),
        _ => format!("{:.0} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_the_unit_of_downloads() {
        assert_eq!(size(6_892_120), "7 MB");
        assert_eq!(size(1_347_513_742), "1.3 GB");
    }
}
