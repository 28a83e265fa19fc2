//! Names of the step graph's inputs and outputs. N is the number of runs, C the network's channels, h × w the canvas,
//! H × W the network's input.

/// State (N, C, h, w): the picture, each channel between -1 and 1.
pub const IMAGE: &str = "ascent/image";
/// State (N, C, h, w): the averaged gradient.
pub const VELOCITY: &str = "ascent/velocity";
/// State (N, 1, h, w): the averaged class activation map, 0 to 1.
pub const MASK: &str = "ascent/mask";
/// (h, H): the resize matrix of rows, transposed.
pub const ROWS: &str = "ascent/rows";
/// (w, W): the resize matrix of columns, transposed.
pub const COLUMNS: &str = "ascent/columns";
/// (h, rows of the map): the resize matrix of the class activation map's rows.
pub const MASK_ROWS: &str = "ascent/mask_rows";
/// (w, columns of the map).
pub const MASK_COLUMNS: &str = "ascent/mask_columns";
/// (N, h) of int64: the row of the network's view that each canvas row has rolled to.
pub const ROLLED_ROWS: &str = "ascent/rolled_rows";
/// (N, w) of int64.
pub const ROLLED_COLUMNS: &str = "ascent/rolled_columns";
/// (N, 2) of int64: class or channel, and flat position.
pub const UNITS: &str = "ascent/units";
/// (N, C, C): mixes the gradient's channels.
pub const COLOUR: &str = "ascent/colour";
/// (N, 1, 1, 1): η.
pub const STEP_SIZE: &str = "ascent/step_size";
/// (N, 1, 1, 1): μ.
pub const MOMENTUM: &str = "ascent/momentum";
/// (N, 1, 1, 1): strength of the mask.
pub const MASK_STRENGTH: &str = "ascent/mask_strength";
/// (N, 1, 1, 1): how much of the mask survives a step.
pub const MASK_MEMORY: &str = "ascent/mask_memory";
/// (N, 1, 1, 1).
pub const DECAY: &str = "ascent/decay";
/// (N, 1, 1, 1).
pub const DAMPING: &str = "ascent/damping";
/// (N, 1, 1, 1).
pub const VARIATION: &str = "ascent/variation";
/// (N, branches): what each residual branch is multiplied by; 1 leaves the network as it is.
pub const BRANCHES: &str = "ascent/branches";
/// (N, 1, 1, 1): 1 where blocked rectifiers may pass a gradient, else 0.
pub const REDIRECT: &str = "ascent/redirect";

pub const NEW_IMAGE: &str = "ascent/new_image";
pub const NEW_VELOCITY: &str = "ascent/new_velocity";
pub const NEW_MASK: &str = "ascent/new_mask";
/// (N): the objective before the step.
pub const SCORE: &str = "ascent/score";
/// (N, 1, 1, 1): root mean square of the gradient on the canvas, before it is normalised. 0: the network is dead there.
pub const GRADIENT_RMS: &str = "ascent/gradient_rms";
/// (N, classes): what the network says of the picture before the step.
pub const LOGITS: &str = "ascent/logits";

/// (rows of level `i + 1`, rows of level `i`): one level of the pyramid down.
pub fn reduce_rows(level: u32) -> String {
    format!("ascent/reduce_rows_{level}")
}
/// As [`reduce_rows`], for columns.
pub fn reduce_columns(level: u32) -> String {
    format!("ascent/reduce_columns_{level}")
}
/// (rows of level `i`, rows of level `i + 1`): one level of the pyramid up.
pub fn expand_rows(level: u32) -> String {
    format!("ascent/expand_rows_{level}")
}
/// As [`expand_rows`], for columns.
pub fn expand_columns(level: u32) -> String {
    format!("ascent/expand_columns_{level}")
}
/// (N, 1, 1, 1): the weight of band `i`, 0 being the finest.
pub fn band_weight(level: u32) -> String {
    format!("ascent/band_weight_{level}")
}
