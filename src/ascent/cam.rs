//! Class activation maps: maps of the evidence for a score, from the activations of a layer and the gradient of the
//! score with respect to them.
//!
//! `A` are the activations of a channel and `g` the gradient of the score with respect to them; Σ sums over positions,
//! Σ_k over channels:
//!
//! | method | map |
//! |---|---|
//! | CAM (Zhou et al. 2016, eq. 2) | `Σ_k (Σ g) A`; `Σ_k w_k A` if only pooling and one linear layer follow |
//! | Grad-CAM (Selvaraju et al. 2017, eq. 1, 2) | `Σ_k (mean g) A` |
//! | Grad-CAM++ (Chattopadhay et al. 2018, eq. 5, 11, 19) | `Σ_k (Σ α ReLU(g)) A`, `α = g² / (2 g² + (Σ A) g³)` |
//! | LayerCAM (Jiang et al. 2021, eq. 4, 5) | `Σ_k ReLU(g) A` |
//! | HiResCAM (Draelos and Carin 2020, eq. 4) | `Σ_k g A` |
//!
//! Negative values of each map are set to 0.

use crate::model::Layout;
use crate::onnx::{Builder, ElementType, Error, Types};

/// A method of computing the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    Cam,
    #[default]
    GradCam,
    GradCamPlusPlus,
    LayerCam,
    HiResCam,
}

/// Every method and its name.
pub const METHODS: &[(&str, Method)] = &[
    ("grad-cam", Method::GradCam),
    ("grad-cam++", Method::GradCamPlusPlus),
    ("layer-cam", Method::LayerCam),
    ("hires-cam", Method::HiResCam),
    ("cam", Method::Cam),
];

impl Method {
    /// Its name.
    pub fn name(self) -> &'static str {
        let found = METHODS.iter().find(|(_, method)| *method == self);
        found.map_or("", |(name, _)| name)
    }
}

/// The names of all methods, in one line.
pub fn names() -> String {
    let names: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

impl std::str::FromStr for Method {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = METHODS.iter().find(|(known, _)| *known == name);
        found.map(|(_, method)| *method).ok_or_else(|| {
            let name: String = name.chars().take(40).collect();
            format!("no method is called {name:?}; available: {}", names())
        })
    }
}

/// The layer and the method of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    pub layer: String,
    /// The layout of the layer.
    pub layout: Layout,
    pub method: Method,
}

impl Map {
    /// Emits the map (N, 1, rows, columns), non-negative, from the layer and the `gradient` with respect to it, both in
    /// the model's layout. Adds the types of the emitted values to `shapes`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the type of the layer is unknown.
    pub(super) fn emit(
        &self,
        builder: &mut Builder,
        shapes: &mut Types,
        gradient: &str,
    ) -> Result<String, Error> {
        let layer_type = shapes.get(&self.layer)?.clone();
        shapes.insert(gradient, layer_type);
        let activations = self.layout.planes(builder, shapes, &self.layer)?;
        let gradient = self.layout.planes(builder, shapes, gradient)?;
        emit(builder, self.method, &activations, &gradient)
    }
}

/// Emits the map (N, 1, rows, columns), non-negative, from `activations` and `gradient`, both float32 (N, K, rows,
/// columns).
///
/// # Errors
/// None that a model can cause.
pub fn emit(
    builder: &mut Builder,
    method: Method,
    activations: &str,
    gradient: &str,
) -> Result<String, Error> {
    let places = builder.ints(&[2, 3]);
    let weights = match method {
        Method::Cam => builder.emit("ReduceSum", &[gradient, &places], &[]),
        Method::GradCam => builder.emit("ReduceMean", &[gradient, &places], &[]),
        Method::GradCamPlusPlus => plus_plus(builder, activations, gradient)?,
        Method::LayerCam => builder.emit("Relu", &[gradient], &[]),
        Method::HiResCam => gradient.to_string(),
    };
    let weighted = builder.emit("Mul", &[activations, &weights], &[]);
    let channels = builder.ints(&[1]);
    let sum = builder.emit("ReduceSum", &[&weighted, &channels], &[]);
    Ok(builder.emit("Relu", &[&sum], &[]))
}

/// The weights (N, K, 1, 1) of Grad-CAM++. The method differentiates the exponential of the score, which is a common
/// factor of all weights and omitted.
fn plus_plus(builder: &mut Builder, activations: &str, gradient: &str) -> Result<String, Error> {
    let places = builder.ints(&[2, 3]);
    let square = builder.emit("Mul", &[gradient, gradient], &[]);
    let cube = builder.emit("Mul", &[&square, gradient], &[]);
    let mass = builder.emit("ReduceSum", &[activations, &places], &[]);
    let share = builder.emit("Mul", &[&mass, &cube], &[]);
    let twice = builder.emit("Add", &[&square, &square], &[]);
    let below = builder.emit("Add", &[&twice, &share], &[]);
    let zero = builder.scalar(ElementType::F32, 0.0)?;
    let one = builder.scalar(ElementType::F32, 1.0)?;
    let nothing = builder.emit("Equal", &[&below, &zero], &[]);
    let below = builder.emit("Where", &[&nothing, &one, &below], &[]);
    let alpha = builder.emit("Div", &[&square, &below], &[]);
    let positive = builder.emit("Relu", &[gradient], &[]);
    let weighted = builder.emit("Mul", &[&alpha, &positive], &[]);
    Ok(builder.emit("ReduceSum", &[&weighted, &places], &[]))
}
