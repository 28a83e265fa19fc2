//! Shape inference and constant folding by ONNX Runtime, for the passes of [`crate::onnx::passes`].

use super::{Error, Optimisation, Provider, Session, SessionOptions, Tensor, shape_inference};
use crate::onnx::evaluator::{Dims, Evaluator};
use crate::onnx::proto::TensorProto;
use crate::onnx::types::untyped_value;
use crate::onnx::{ElementType, Graph, Types};

/// ONNX Runtime on the CPU. Its library must be loaded (see [`super::Library::load`]).
#[derive(Debug, Clone, Copy, Default)]
pub struct OnnxRuntime;

impl Evaluator for OnnxRuntime {
    type Error = Error;

    fn infer_types(&self, graph: &Graph, inputs: &Dims) -> Result<Types, Error> {
        shape_inference::infer_types(graph, inputs)
    }

    fn evaluate(
        &self,
        graph: &Graph,
        values: &[String],
        max_elements: usize,
    ) -> Result<Vec<TensorProto>, Error> {
        let outputs: Vec<_> = values.iter().map(|name| untyped_value(name)).collect();
        let model = graph.to_model(&outputs)?;
        let options = SessionOptions {
            optimisation: Optimisation::None,
            ..SessionOptions::default()
        };
        let mut session = Session::open_model(&model, Provider::Cpu, &options)?;
        let exchanged = session
            .outputs()
            .iter()
            .filter(|port| port.elem().is_some_and(Tensor::can_hold));
        let names: Vec<String> = exchanged.map(|port| port.name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let tensors = session.run(&[], &names)?;
        let results = names.iter().zip(&tensors);
        Ok(results
            .filter(|(_, tensor)| tensor.shape().iter().product::<usize>() <= max_elements)
            .map(|(name, tensor)| proto(name, tensor))
            .collect())
    }

    fn is_rejection(&self, error: &Error) -> bool {
        matches!(error, Error::Model { .. })
    }
}

fn proto(name: &str, tensor: &Tensor) -> TensorProto {
    let (elem, bytes): (ElementType, Vec<u8>) = match tensor {
        Tensor::F32(values) => (
            ElementType::F32,
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
        Tensor::F64(values) => (
            ElementType::F64,
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
        Tensor::I64(values) => (
            ElementType::I64,
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
        Tensor::I32(values) => (
            ElementType::I32,
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
        Tensor::U8(values) => (ElementType::U8, values.iter().copied().collect()),
        Tensor::Bool(values) => (
            ElementType::Bool,
            values.iter().map(|&v| u8::from(v)).collect(),
        ),
    };
    TensorProto {
        name: name.into(),
        dims: tensor.shape().iter().map(|&dim| dim as i64).collect(),
        data_type: elem.code(),
        raw_data: Some(bytes.into()),
        ..Default::default()
    }
}
