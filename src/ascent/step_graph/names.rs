//! Names of the step graph's inputs and outputs. N is the number of runs, C the network's channels, h × w the canvas,
//! H × W the network's input.

/// State (N, C, h, w): the canvas, in the axes of its colour basis; 0 is mid grey.
pub const CANVAS: &str = "ascent/canvas";
/// State (N, C, h, w): the averaged gradient.
pub const VELOCITY: &str = "ascent/velocity";
/// State (N, 1, h, w): the averaged class activation map, 0 to 1.
pub const MASK: &str = "ascent/mask";
/// (h): 0, 1, 2, …
pub const ROW_PIXELS: &str = "ascent/row_pixels";
/// (w): 0, 1, 2, …
pub const COLUMN_PIXELS: &str = "ascent/column_pixels";
/// (N, 3, 1, 1): the view along the rows: the position of its sample -1/2 on the canvas, pixels per sample, and 1 over
/// the half-width of its triangle in pixels.
pub const VIEW_ROWS: &str = "ascent/view_rows";
/// (N, 3, 1, 1): as [`VIEW_ROWS`], along the columns.
pub const VIEW_COLUMNS: &str = "ascent/view_columns";
/// (N, C, H, W): noise added to the brightness of the view.
pub const VIEW_NOISE: &str = "ascent/view_noise";
/// (N, 2) of int64: class or channel, and flat position.
pub const UNITS: &str = "ascent/units";
/// (N, 1, 1, 1): η.
pub const STEP_SIZE: &str = "ascent/step_size";
/// (N, 1, 1, 1): μ.
pub const MOMENTUM: &str = "ascent/momentum";
/// (N, 1, 1, 1): how far brightness may exceed 0 and 1.
pub const CLIP: &str = "ascent/clip";
/// (N, 1, 1, 1): strength of the mask.
pub const MASK_STRENGTH: &str = "ascent/mask_strength";
/// (N, 1, 1, 1): the fraction of the mask that a step keeps.
pub const MASK_MEMORY: &str = "ascent/mask_memory";
/// (N, 1, 1, 1).
pub const DECAY: &str = "ascent/decay";
/// (N, 1, 1, 1).
pub const DAMPING: &str = "ascent/damping";
/// (N, 1, 1, 1).
pub const VARIATION: &str = "ascent/variation";
/// (N, 1, 1, 1): the maximum rms of a colour axis of the canvas.
pub const CONTRAST: &str = "ascent/contrast";
/// (N, branches): the factor of each residual branch; 1 does not change the network.
pub const BRANCHES: &str = "ascent/branches";
/// (N, 1, 1, 1): 1 where blocked rectifiers may pass a gradient, else 0.
pub const REDIRECT: &str = "ascent/redirect";

pub const NEW_CANVAS: &str = "ascent/new_canvas";
pub const NEW_VELOCITY: &str = "ascent/new_velocity";
pub const NEW_MASK: &str = "ascent/new_mask";
/// (N): the objective before the step.
pub const SCORE: &str = "ascent/score";
/// (N, 1, 1, 1): root mean square of the gradient on the canvas, before it is normalised. 0: the network is dead there.
pub const GRADIENT_RMS: &str = "ascent/gradient_rms";
/// (N, classes): the logits of the picture before the step.
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
/// (N, C, 1, 1): the weight of band `i`, 0 being the finest, for each colour axis.
pub fn band_weight(level: u32) -> String {
    format!("ascent/band_weight_{level}")
}
