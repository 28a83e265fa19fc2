//! `ziggurat doctor MODEL`: a model summary for bug reports.

use crate::cli::output::{self, line};
use std::collections::BTreeMap;
use ziggurat::model::class_scores::Evidence;
use ziggurat::model::passes::LeftOut;
use ziggurat::model::summary::{ASSUMED, Block, ModelSummary, NetworkSummary, Value};
use ziggurat::model::{ChannelOrder, Fit, Origin};
use ziggurat::text::quoted;

/// Prints a report; control characters are escaped.
pub fn print(report: &ModelSummary) -> std::io::Result<()> {
    line(&format!("model         {}", report.name))?;
    let opsets = report.opsets.iter();
    let opsets: Vec<String> = opsets
        .map(|opset| format!("{} {}", opset.domain, opset.version))
        .collect();
    let producer = match report.producer.as_str() {
        "" => "unknown",
        producer => producer,
    };
    line(&format!(
        "  file        {} ({} bytes, weights {})",
        report.path, report.bytes, report.weight_bytes
    ))?;
    if let Some(NetworkSummary { hash, .. }) = &report.network {
        line(&format!("  hash        {hash}"))?;
    }
    line(&format!(
        "  producer    {producer}, IR version {}, opsets: {}",
        report.ir_version,
        opsets.join(", ")
    ))?;
    for (what, values) in [("input", &report.inputs), ("output", &report.outputs)] {
        for value in values {
            line(&format!("  {what:<11} {}", described(value)))?;
        }
    }
    if report.functions > 0 {
        line(&format!("  functions   {}", report.functions))?;
    }
    line(&format!("  operators   {}", counts(&report.operators)))?;
    let refused = report.refused.as_deref().unwrap_or("opens it");
    let refused = refused.strip_prefix("ONNX Runtime ").unwrap_or(refused);
    line(&format!("  ONNX Runtime {refused}"))?;
    if let Some(why) = &report.why {
        line(&format!("  cannot be visualised: {why}"))?;
    }
    report.network.as_ref().map_or(Ok(()), print_network)
}

/// Prints what is known of the network that was read from the model.
fn print_network(network: &NetworkSummary) -> std::io::Result<()> {
    let batches = if network.batchable {
        "any batch size"
    } else {
        "batch size 1"
    };
    let size = match network.size_origin {
        Origin::Assumed => "height and width assumed".to_string(),
        _ => format!("height and width from {}", network.size_source),
    };
    line(&format!(
        "  picture     {:?}, {batches}; {size}",
        network.input
    ))?;
    line(&format!("  pixels      {}", pixels(network)))?;
    let more = if network.classes > network.class_names.len() {
        ", …"
    } else {
        ""
    };
    let names = match network.classes_origin {
        Origin::Assumed => "without names".to_string(),
        _ => format!("names from {}", network.classes_source),
    };
    line(&format!(
        "  classes     {}, {names}: {}{more}",
        network.classes,
        network.class_names.join("; ")
    ))?;
    line(&format!("  scores      {}", scores(network)))?;
    line(&format!("  on the path {}", counts(&network.path)))?;
    let last = network.last.as_deref().unwrap_or("none");
    line(&format!(
        "  layers      {} of {} can be visualised, the last one {last}",
        network.differentiable, network.layers
    ))?;
    if let [first, rest @ ..] = network.unplaced.as_slice() {
        let others = match rest.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        line(&format!(
            "  positions   unknown in {}{others}: its channels can be visualised, but not their positions in the picture",
            quoted(first)
        ))?;
    }
    for LeftOut { name, what, why } in &network.left_out {
        line(&format!(
            "  left out    pass {name} ({what}): ONNX Runtime rejects the result: {why}"
        ))?;
    }
    for Block { node, op, why, .. } in &network.blocks {
        let why = why.as_deref().unwrap_or("no gradient rule");
        line(&format!("  blocked by  node {node} ({op}): {why}"))?;
    }
    match network.blocked - network.blocks.len() {
        0 => Ok(()),
        more => line(&format!("  blocked by  {more} more nodes")),
    }
}

/// Where the class scores are, and the activation that turns them into probabilities.
fn scores(network: &NetworkSummary) -> String {
    let Some(scores) = &network.scores else {
        let why = network.no_scores.as_deref().unwrap_or_default();
        return format!("none: {why}");
    };
    let evidence = match scores.evidence {
        Evidence::Operators => "from its last operators".into(),
        Evidence::Trial => "from its values for a few pictures".into(),
        Evidence::Description => {
            format!(
                "from {}",
                network.activation_source.as_deref().unwrap_or("its card")
            )
        }
        Evidence::Assumption => "assumed".to_string(),
    };
    let (output, value) = (
        output::one_line(&scores.output),
        output::one_line(&scores.value),
    );
    format!(
        "output {output}, activation {} ({evidence}); {value} is maximized",
        scores.activation
    )
}

/// Preprocessing of the input, and where it is specified.
fn pixels(network: &NetworkSummary) -> String {
    let source = match network.preprocessing_origin {
        // The order of the colours may be known nevertheless.
        Origin::Assumed => format!(
            "ImageNet's mean and standard deviation assumed{}",
            network
                .preprocessing_source
                .strip_prefix(ASSUMED)
                .unwrap_or_default()
        ),
        _ => format!("from {}", network.preprocessing_source),
    };
    let order = match (network.preprocessing.channel_order(), network.input[1]) {
        (_, 1) => "grey",
        (ChannelOrder::Rgb, _) => "RGB",
        (ChannelOrder::Bgr, _) => "BGR",
    };
    let fit = match network.preprocessing.proportions() {
        Fit::Crop => "crop",
        Fit::Squash => "squashed, crop",
    };
    let (black, white): (Vec<_>, Vec<_>) = network.black_and_white.iter().copied().unzip();
    format!(
        "{order}, black {}, white {}, {fit} {}; {source}",
        numbers(black),
        numbers(white),
        numbers(vec![network.preprocessing.crop() as f32]),
    )
}

/// Each number, or one if all are equal.
fn numbers(mut all: Vec<f32>) -> String {
    all.dedup();
    // Three decimal places. Adding 0 turns -0 into 0.
    let shown = all.iter().map(|number| (number * 1e3).round() / 1e3 + 0.0);
    let shown: Vec<String> = shown.map(|number| number.to_string()).collect();
    shown.join(" ")
}

fn described(value: &Value) -> String {
    let element = value.element.as_deref().unwrap_or("type unknown");
    let dims = value
        .dims
        .as_ref()
        .map_or(String::new(), |dims| format!(" [{}]", dims.join(", ")));
    let layout = value
        .layout
        .map_or(String::new(), |layout| format!(" {layout}"));
    format!("{}: {element}{dims}{layout}", value.name)
}

/// The most frequent first.
fn counts(operators: &BTreeMap<String, usize>) -> String {
    let mut listed: Vec<(&String, &usize)> = operators.iter().collect();
    listed.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let listed: Vec<String> = listed
        .iter()
        .map(|(op, count)| format!("{op} {count}"))
        .collect();
    listed.join(", ")
}
