//! The environment variables of the program, in one table. A value that is not known is reported,
//! never taken for another.

use crate::text::quoted;

/// The folder of data, configuration and state.
pub const HOME: &str = "ZIGGURAT_HOME";
/// The library file of ONNX Runtime.
pub const LIBRARY: &str = "ORT_DYLIB_PATH";
/// The level of the explorer's log.
pub const LOG: &str = "ZIGGURAT_LOG";
/// The characters of pictures that are drawn as text.
pub const BLOCKS: &str = "ZIGGURAT_BLOCKS";
/// Whether ascents on NVIDIA GPUs use TF32.
pub const TF32: &str = "ZIGGURAT_TF32";
/// Whether GPUs record the steps of ascents and replay them.
pub const GRAPH_CAPTURE: &str = "ZIGGURAT_GRAPH_CAPTURE";

/// A variable that users set.
pub struct Variable {
    pub name: &'static str,
    /// What it does, and its values.
    pub help: &'static str,
}

/// All variables that users set.
pub const VARIABLES: [Variable; 6] = [
    Variable {
        name: HOME,
        help: "folder of data, configuration and state",
    },
    Variable {
        name: LIBRARY,
        help: "library file of ONNX Runtime, instead of the one that is found",
    },
    Variable {
        name: LOG,
        help: "level of the explorer's log, ziggurat.log: error, warn, info, debug or trace",
    },
    Variable {
        name: BLOCKS,
        help: "block characters: auto, half, quadrant, sextant or octant",
    },
    Variable {
        name: TF32,
        help: "TF32 for ascents on NVIDIA GPUs: 1 or 0",
    },
    Variable {
        name: GRAPH_CAPTURE,
        help: "graph capture (CUDA graphs) for ascents on GPUs: 1 or 0",
    },
];

/// The variables that are 1 or 0.
pub const SWITCHES: [&str; 2] = [TF32, GRAPH_CAPTURE];

/// Whether a switch is set to 1. It is off if it is 0, empty or not set.
///
/// # Errors
/// One line for any other value, which leaves it off.
pub fn switch(name: &str) -> Result<bool, String> {
    let value = std::env::var_os(name).unwrap_or_default();
    read_switch(name, &value.to_string_lossy())
}

fn read_switch(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "0" => Ok(false),
        "1" => Ok(true),
        other => Err(format!(
            "{name}: {} is neither 1 nor 0: it is off",
            quoted(other)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_on_off_or_an_error() {
        let read = |value| read_switch("X", value);
        assert_eq!(
            (read(""), read("0"), read("1")),
            (Ok(false), Ok(false), Ok(true))
        );
        for wrong in ["banana", "true", " 1", "01", "\u{1b}[2J"] {
            let why = read(wrong).unwrap_err();
            assert!(
                why.starts_with("X: \"") && why.chars().all(crate::text::is_safe),
                "{why}"
            );
        }
    }
}
