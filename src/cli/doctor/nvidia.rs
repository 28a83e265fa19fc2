//! What `doctor` shows of NVIDIA's driver, GPUs and libraries.

use super::Skipped;
use crate::cli::output;
use serde::Serialize;
use std::path::PathBuf;
use ziggurat::runtime::{Library, nvidia};

/// NVIDIA's driver.
#[derive(Serialize)]
pub struct DriverFinding {
    /// The newest CUDA version that it supports: `13.0`.
    cuda: Option<String>,
    release: Option<String>,
    gpus: Vec<GpuFinding>,
    why: Option<String>,
}

#[derive(Serialize)]
pub struct GpuFinding {
    number: u32,
    name: String,
    /// Compute capability: `9.0`.
    capability: String,
    free_bytes: Option<u64>,
    total_bytes: Option<u64>,
}

/// A library of NVIDIA's that the loaded ONNX Runtime needs.
#[derive(Serialize)]
pub struct FileFinding {
    file: &'static str,
    place: Option<String>,
    path: Option<PathBuf>,
    /// The package that contains it.
    package: Option<String>,
    passed_over: Vec<Skipped>,
}

/// The driver, where CUDA can be expected.
pub fn driver() -> Option<DriverFinding> {
    if !nvidia::is_expected() {
        return None;
    }
    let version = |(major, minor): (u32, u32)| format!("{major}.{minor}");
    Some(match nvidia::driver() {
        Err(why) => DriverFinding {
            cuda: None,
            release: None,
            gpus: Vec::new(),
            why: Some(why.into()),
        },
        Ok(driver) => DriverFinding {
            cuda: Some(version(driver.cuda)),
            release: driver.release.clone(),
            gpus: driver
                .gpus
                .iter()
                .map(|gpu| GpuFinding {
                    number: gpu.number,
                    name: gpu.name.clone(),
                    capability: version(gpu.capability),
                    free_bytes: gpu.memory.map(|(free, _)| free),
                    total_bytes: gpu.memory.map(|(_, total)| total),
                })
                .collect(),
            why: None,
        },
    })
}

/// NVIDIA's libraries, if the loaded ONNX Runtime needs them.
pub fn files() -> Vec<FileFinding> {
    let finding = |one: nvidia::files::Located| {
        let (place, path) = one.found.unzip();
        let passed_over = one.passed_over.into_iter();
        FileFinding {
            file: one.file,
            place: place.map(|place| place.to_string()),
            path,
            package: one.package.map(|package| package.to_string()),
            passed_over: passed_over
                .map(|(path, why)| Skipped { path, why })
                .collect(),
        }
    };
    let located = Library::loaded().map(Library::nvidia_libraries);
    let located = located.unwrap_or_default();
    located.into_iter().map(finding).collect()
}

/// Prints the driver and its GPUs.
pub fn print_driver(driver: &DriverFinding) -> std::io::Result<()> {
    let release = driver.release.as_deref().unwrap_or("of unknown version");
    match (&driver.cuda, &driver.why) {
        (Some(cuda), _) => output::line(&format!("NVIDIA driver {release}, supports CUDA {cuda}"))?,
        (None, why) => {
            let why = why.as_deref().unwrap_or("its library does not answer");
            output::line(&format!("NVIDIA driver not usable: {why}"))?;
        }
    }
    for gpu in &driver.gpus {
        let gibi = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let memory = gpu.free_bytes.zip(gpu.total_bytes);
        let memory = memory.map_or(String::new(), |(free, total)| {
            format!(", {:.1} of {:.1} GiB free", gibi(free), gibi(total))
        });
        let GpuFinding {
            number,
            name,
            capability,
            ..
        } = gpu;
        output::line(&format!(
            "  GPU {number:<7} {name}, compute capability {capability}{memory}"
        ))?;
    }
    Ok(())
}

/// Prints where each library is.
pub fn print_files(files: &[FileFinding]) -> std::io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    output::line("NVIDIA libraries")?;
    for one in files {
        let state = match (&one.place, &one.path) {
            (Some(place), Some(path)) => format!("{place}: {}", path.display()),
            _ => "not found; run `ziggurat setup --gpu`".into(),
        };
        output::line(&format!("  {:<18} {state}", one.file))?;
        for Skipped { path, why } in &one.passed_over {
            output::line(&format!("    skipped {}: {why}", path.display()))?;
        }
    }
    Ok(())
}
