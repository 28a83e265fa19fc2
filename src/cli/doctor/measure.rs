//! `ziggurat doctor --measure`: a provider's speed and its numerical difference from the CPU, as a report for bug
//! reports.

use crate::cli::output::{self, line};
use crate::cli::preferences::one_provider;
use crate::cli::{Failure, startup};
use ziggurat::ascent::measurement::{Batch, Measurement, measure};
use ziggurat::home::Home;
use ziggurat::runtime::Library;

/// Measures `provider` with a model; without one, the default model.
pub fn run(
    home: &Home,
    model: Option<&str>,
    provider: &str,
    options: &super::ModelOptions,
) -> Result<Measurement, Failure> {
    let provider = one_provider(provider)?;
    let network = startup::quiet_network(home, model, options)?;
    let device = startup::provider(provider)?.device;
    output::notice(&format!("measuring {device} with {}", network.name));
    Ok(measure(&network, device)?)
}

/// Prints the report.
pub fn print(found: &Measurement) -> std::io::Result<()> {
    let version = Library::loaded().map_or("", |library| library.found().version.as_str());
    line(&format!(
        "measured      {} with {}, ONNX Runtime {version}",
        found.device,
        output::one_line(&found.model)
    ))?;
    for batch in &found.batches {
        line(&format!("  batch {:<5} {}", batch.runs, reported(batch)))?;
    }
    for batch in &found.graph_capture {
        let text = reported(batch);
        line(&format!("  batch {}, graph capture  {text}", batch.runs))?;
    }
    let left = match found.left_to_cpu.as_slice() {
        [] => "all on the device".into(),
        left => format!("on the CPU: {}", left.join(", ")),
    };
    line(&format!("  step graph  {} nodes, {left}", found.nodes))?;
    line(&format!(
        "  difference from the CPU: gradient {:.1e} (relative L2), probability {:.1e}, picture after 4 steps {} of 255",
        found.gradient_error, found.probability_error, found.picture_error
    ))?;
    match found.graph_capture_error {
        Some(error) => line(&format!(
            "  difference by graph capture: picture after 4 steps {error} of 255"
        )),
        None => Ok(()),
    }
}

fn reported(batch: &Batch) -> String {
    match &batch.why_not {
        Some(why) => why.clone(),
        None => format!(
            "{:.1} steps/s ({:.1} over all runs), host {:.0} % of the time, first step after {:.2} s",
            batch.steps_per_second,
            batch.steps_per_second * batch.runs as f64,
            batch.host_share * 100.0,
            batch.first_step
        ),
    }
}
