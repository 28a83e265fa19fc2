//! Host tensors: inputs and outputs of models, as `ndarray` arrays of the few element types that Ziggurat exchanges.

use ndarray::{Array, ArrayD, Dimension};
use ort::value::{DynTensor, Tensor as Value, TensorElementType, ValueType};

use super::{Device, Error, device_copy};
use crate::onnx::ElementType;

/// One line per element type of host tensors: variant, as in [`ElementType`], and Rust type.
macro_rules! elements {
    ($($variant:ident($type:ty);)*) => {
        /// A tensor in host memory, of any shape (a scalar has the empty shape).
        #[derive(Debug, Clone, PartialEq)]
        pub enum Tensor {
            $(#[doc = concat!("Elements of type `", stringify!($type), "`.")] $variant(ArrayD<$type>),)*
        }

        impl Tensor {
            /// The type of its elements.
            pub fn elem(&self) -> ElementType {
                match self { $(Self::$variant(_) => ElementType::$variant,)* }
            }

            /// Whether a host tensor can have elements of this type.
            pub fn can_hold(elem: ElementType) -> bool {
                matches!(elem, $(ElementType::$variant)|*)
            }

            /// Its extent along each axis.
            pub fn shape(&self) -> &[usize] {
                match self { $(Self::$variant(array) => array.shape(),)* }
            }

            /// A copy that ONNX Runtime owns.
            pub(super) fn to_value(&self) -> ort::Result<DynTensor> {
                match self { $(Self::$variant(array) => Ok(Value::from_array(array.clone())?.upcast()),)* }
            }

            /// Copies the elements into a tensor of the same type and shape, on any device.
            pub(super) fn write(&self, target: &mut DynTensor) -> ort::Result<()> {
                if !target.memory_info().is_cpu_accessible() {
                    return device_copy::copy(&[&self.to_value()?], &mut [target]);
                }
                match self {
                    $(Self::$variant(array) => target.try_extract_array_mut::<$type>()?.assign(array),)*
                }
                Ok(())
            }

            /// Copies a tensor from `device` to the host. `name` is for the message.
            pub(super) fn read(name: &str, value: &DynTensor, device: Device) -> Result<Self, Error> {
                if !value.memory_info().is_cpu_accessible() {
                    let host = device_copy::to_host(value);
                    let host = host.map_err(|error| Error::on(device, error))?;
                    return Self::read(name, &host, device);
                }
                match from_ort(*value.data_type()) {
                    $(Some(ElementType::$variant) => value
                        .try_extract_array::<$type>()
                        .map(|view| Self::$variant(view.to_owned()))
                        .map_err(Error::run),)*
                    _ => Err(Error::Unsupported {
                        name: name.to_string(),
                        element: PortType::from_ort(value.dtype()).to_string(),
                    }),
                }
            }
        }

        $(
            impl<D: Dimension> From<Array<$type, D>> for Tensor {
                fn from(array: Array<$type, D>) -> Self {
                    Self::$variant(array.into_dyn())
                }
            }

            impl From<$type> for Tensor {
                fn from(scalar: $type) -> Self {
                    Self::$variant(ndarray::arr0(scalar).into_dyn())
                }
            }

            impl TryFrom<Tensor> for ArrayD<$type> {
                type Error = Error;

                fn try_from(tensor: Tensor) -> Result<Self, Error> {
                    match tensor {
                        Tensor::$variant(array) => Ok(array),
                        other => Err(Error::Mismatch {
                            name: "a tensor".into(),
                            wanted: ElementType::$variant.name().into(),
                            got: other.elem().name().into(),
                        }),
                    }
                }
            }
        )*
    };
}

elements! {
    F32(f32);
    F64(f64);
    I64(i64);
    I32(i32);
    U8(u8);
    Bool(bool);
}

/// The type of an input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortType {
    /// A tensor with elements of this type.
    Tensor(ElementType),
    /// A tensor of other elements, or no tensor, by ONNX Runtime's name.
    Other(String),
}

impl PortType {
    pub(super) fn from_ort(value: &ValueType) -> Self {
        match value.tensor_type() {
            Some(element) => {
                from_ort(element).map_or_else(|| Self::Other(element.to_string()), Self::Tensor)
            }
            None => Self::Other(value.to_string()),
        }
    }
}

impl std::fmt::Display for PortType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tensor(elem) => elem.name(),
            Self::Other(name) => name,
        })
    }
}

fn from_ort(element: TensorElementType) -> Option<ElementType> {
    let mut all = ElementType::ALL.into_iter();
    all.find(|&elem| to_ort(elem) == element)
}

fn to_ort(elem: ElementType) -> TensorElementType {
    match elem {
        ElementType::F32 => TensorElementType::Float32,
        ElementType::U8 => TensorElementType::Uint8,
        ElementType::I8 => TensorElementType::Int8,
        ElementType::U16 => TensorElementType::Uint16,
        ElementType::I16 => TensorElementType::Int16,
        ElementType::I32 => TensorElementType::Int32,
        ElementType::I64 => TensorElementType::Int64,
        ElementType::Bool => TensorElementType::Bool,
        ElementType::F16 => TensorElementType::Float16,
        ElementType::F64 => TensorElementType::Float64,
        ElementType::U32 => TensorElementType::Uint32,
        ElementType::U64 => TensorElementType::Uint64,
        ElementType::BF16 => TensorElementType::Bfloat16,
    }
}

/// An uninitialised tensor, or one of zeros if the host can write it.
pub(super) fn allocate(
    elem: ElementType,
    allocator: &ort::memory::Allocator,
    shape: &[usize],
) -> ort::Result<DynTensor> {
    let dims = shape.iter().map(|&extent| extent as i64);
    DynTensor::new(allocator, to_ort(elem), ort::value::Shape::new(dims))
}

impl Tensor {
    /// The elements, if they are float32.
    pub fn as_f32(&self) -> Option<&ArrayD<f32>> {
        match self {
            Self::F32(array) => Some(array),
            _ => None,
        }
    }

    /// Type and shape as messages show them, for example `float32 [1, 3, 224, 224]`.
    pub fn describe(&self) -> String {
        format!("{} {:?}", self.elem().name(), self.shape())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, arr1};

    #[test]
    fn an_array_becomes_a_tensor_and_the_same_array_again() {
        let array = Array2::from_shape_fn((2, 3), |(y, x)| (3 * y + x) as f32);
        let tensor = Tensor::from(array.clone());
        assert_eq!(tensor.describe(), "float32 [2, 3]");
        assert_eq!(ArrayD::<f32>::try_from(tensor).unwrap(), array.into_dyn());
    }

    #[test]
    fn a_tensor_of_another_type_is_refused_by_name() {
        let error = ArrayD::<f32>::try_from(Tensor::from(arr1(&[1_i64]))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`a tensor` takes float32, but was given int64"
        );
    }

    #[test]
    fn every_element_type_has_a_counterpart_in_onnx_runtime() {
        for elem in ElementType::ALL {
            assert_eq!(from_ort(to_ort(elem)), Some(elem));
        }
        assert_eq!(from_ort(TensorElementType::String), None);
    }

    #[test]
    fn a_scalar_has_no_dimensions() {
        let scalar = Tensor::from(2.5_f32);
        assert_eq!(scalar.describe(), "float32 []");
        assert_eq!(scalar.as_f32().unwrap().sum(), 2.5);
    }
}
