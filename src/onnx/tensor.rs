//! Reading and building [`TensorProto`]s, with every size checked.

use super::proto::TensorProto;
use super::{ElementType, Error};
use bytes::Bytes;

/// Number of elements of a tensor of these dimensions; `None` if one is negative or the product overflows.
pub fn element_count(dims: &[i64]) -> Option<usize> {
    dims.iter().try_fold(1usize, |count, &dim| {
        count.checked_mul(usize::try_from(dim).ok()?)
    })
}

impl TensorProto {
    /// A float32 tensor of dimensions `dims` with these elements, in row-major order.
    pub fn from_f32(name: &str, dims: &[i64], values: &[f32]) -> Self {
        Self::raw(
            name,
            dims,
            ElementType::F32,
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        )
    }

    /// An int64 tensor of dimensions `dims` with these elements, in row-major order.
    pub fn from_i64(name: &str, dims: &[i64], values: &[i64]) -> Self {
        Self::raw(
            name,
            dims,
            ElementType::I64,
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        )
    }

    /// A 1-D int64 tensor, for axes, shapes and indices.
    pub fn int_list(name: &str, values: &[i64]) -> Self {
        Self::from_i64(name, &[values.len() as i64], values)
    }

    /// A bool scalar.
    pub fn from_bool(name: &str, value: bool) -> Self {
        Self::raw(name, &[], ElementType::Bool, vec![u8::from(value)])
    }

    /// A floating-point tensor of type `elem` with `values`, in row-major order, rounded to the type.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if `elem` is not a floating-point type.
    pub fn from_floats(
        name: &str,
        dims: &[i64],
        elem: ElementType,
        values: &[f64],
    ) -> Result<Self, Error> {
        let bytes: Vec<u8> = match elem {
            ElementType::F32 => values
                .iter()
                .flat_map(|&value| (value as f32).to_le_bytes())
                .collect(),
            ElementType::F64 => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            ElementType::F16 => values
                .iter()
                .flat_map(|&value| f16_bits(value as f32).to_le_bytes())
                .collect(),
            ElementType::BF16 => values
                .iter()
                .flat_map(|&value| bf16_bits(value as f32).to_le_bytes())
                .collect(),
            other => {
                return Err(Error::Unsupported(format!(
                    "a constant of element type {other:?}"
                )));
            }
        };
        Ok(Self::raw(name, dims, elem, bytes))
    }

    /// A tensor of type `elem` filled with `value`; `None` if the type cannot represent it, or `dims` are invalid.
    pub fn filled(name: &str, dims: &[i64], elem: ElementType, value: f64) -> Option<Self> {
        let count = element_count(dims)?;
        let one = match elem {
            ElementType::F32 | ElementType::F64 | ElementType::F16 | ElementType::BF16 => {
                let one = Self::from_floats("", &[], elem, &[value]).ok()?;
                one.raw_data?.to_vec()
            }
            _ => {
                let (least, most) = match elem {
                    ElementType::Bool => (0.0, 1.0),
                    ElementType::I8 => (i8::MIN.into(), i8::MAX.into()),
                    ElementType::I16 => (i16::MIN.into(), i16::MAX.into()),
                    ElementType::I32 | ElementType::I64 => (i32::MIN.into(), i32::MAX.into()),
                    ElementType::U8 => (0.0, u8::MAX.into()),
                    ElementType::U16 => (0.0, u16::MAX.into()),
                    _ => (0.0, u32::MAX.into()),
                };
                let fits = value.fract() == 0.0 && (least..=most).contains(&value);
                // The low bytes of an integer are the same in every type that can represent it.
                let bytes = (value as i64).to_le_bytes();
                fits.then(|| bytes[..elem.size()].to_vec())?
            }
        };
        Some(Self::raw(name, dims, elem, one.repeat(count)))
    }

    fn raw(name: &str, dims: &[i64], elem: ElementType, bytes: Vec<u8>) -> Self {
        debug_assert_eq!(
            element_count(dims).map(|count| count * elem.size()),
            Some(bytes.len())
        );
        TensorProto {
            name: name.into(),
            dims: dims.to_vec(),
            data_type: elem.code(),
            raw_data: Some(Bytes::from(bytes)),
            ..Default::default()
        }
    }

    /// The element type.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it is not in [`ElementType`].
    pub fn elem(&self) -> Result<ElementType, Error> {
        ElementType::from_code(self.data_type).ok_or_else(|| {
            Error::Unsupported(format!(
                "tensor {:?} of element type {}",
                self.name, self.data_type
            ))
        })
    }

    /// The dimensions.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if one is negative or the number of elements overflows.
    pub fn shape(&self) -> Result<Vec<usize>, Error> {
        element_count(&self.dims).ok_or_else(|| self.corrupt("dimensions"))?;
        Ok(self.dims.iter().map(|&dim| dim as usize).collect())
    }

    /// The elements as float64, in row-major order; exact except for (u)int64 beyond 2^53.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the data do not fit the dimensions; [`Error::Unsupported`] for other element types.
    pub fn to_f64(&self) -> Result<Vec<f64>, Error> {
        let elem = self.elem()?;
        if let Some(raw) = &self.raw_data {
            let raw = self.checked(raw, elem)?;
            return Ok(match elem {
                ElementType::F32 => each(raw, |b| f32::from_le_bytes(b).into()),
                ElementType::F64 => each(raw, f64::from_le_bytes),
                ElementType::F16 => each(raw, |b| f16_value(u16::from_le_bytes(b)).into()),
                ElementType::BF16 => each(raw, |b| bf16_value(u16::from_le_bytes(b)).into()),
                ElementType::I64 => each(raw, |b| i64::from_le_bytes(b) as f64),
                ElementType::U64 => each(raw, |b| u64::from_le_bytes(b) as f64),
                ElementType::I32 => each(raw, |b| i32::from_le_bytes(b).into()),
                ElementType::U32 => each(raw, |b| u32::from_le_bytes(b).into()),
                ElementType::I16 => each(raw, |b| i16::from_le_bytes(b).into()),
                ElementType::U16 => each(raw, |b| u16::from_le_bytes(b).into()),
                ElementType::I8 => each(raw, |b| i8::from_le_bytes(b).into()),
                ElementType::U8 | ElementType::Bool => each(raw, |b| u8::from_le_bytes(b).into()),
            });
        }
        let values: Vec<f64> = match elem {
            ElementType::F32 => self.float_data.iter().map(|&v| v.into()).collect(),
            ElementType::F64 => self.double_data.clone(),
            ElementType::I64 => self.int64_data.iter().map(|&v| v as f64).collect(),
            ElementType::U64 | ElementType::U32 => {
                self.uint64_data.iter().map(|&v| v as f64).collect()
            }
            ElementType::F16 => self
                .int32_data
                .iter()
                .map(|&v| f16_value(v as u16).into())
                .collect(),
            ElementType::BF16 => self
                .int32_data
                .iter()
                .map(|&v| bf16_value(v as u16).into())
                .collect(),
            ElementType::I32
            | ElementType::I16
            | ElementType::U16
            | ElementType::I8
            | ElementType::U8
            | ElementType::Bool => self.int32_data.iter().map(|&v| v.into()).collect(),
        };
        self.counted(values)
    }

    /// The elements as float32, in row-major order, rounded from wider types.
    ///
    /// # Errors
    /// As for [`TensorProto::to_f64`].
    pub fn to_f32(&self) -> Result<Vec<f32>, Error> {
        match (self.elem()?, &self.raw_data) {
            (ElementType::F32, Some(raw)) => Ok(each(
                self.checked(raw, ElementType::F32)?,
                f32::from_le_bytes,
            )),
            (ElementType::F32, None) => self.counted(self.float_data.clone()),
            _ => Ok(self
                .to_f64()?
                .into_iter()
                .map(|value| value as f32)
                .collect()),
        }
    }

    /// The elements of an int64 or int32 tensor, in row-major order.
    ///
    /// # Errors
    /// As for [`TensorProto::to_f64`]; [`Error::Unsupported`] for other element types.
    pub fn to_i64(&self) -> Result<Vec<i64>, Error> {
        match (self.elem()?, &self.raw_data) {
            (ElementType::I64, Some(raw)) => Ok(each(
                self.checked(raw, ElementType::I64)?,
                i64::from_le_bytes,
            )),
            (ElementType::I64, None) => self.counted(self.int64_data.clone()),
            (ElementType::I32, Some(raw)) => Ok(each(self.checked(raw, ElementType::I32)?, |b| {
                i32::from_le_bytes(b).into()
            })),
            (ElementType::I32, None) => {
                self.counted(self.int32_data.iter().map(|&v| v.into()).collect())
            }
            (other, _) => Err(Error::Unsupported(format!(
                "tensor {:?} of element type {} where integers are expected",
                self.name,
                other.name()
            ))),
        }
    }

    fn checked<'a>(&self, raw: &'a [u8], elem: ElementType) -> Result<&'a [u8], Error> {
        let expected = element_count(&self.dims).and_then(|count| count.checked_mul(elem.size()));
        if expected == Some(raw.len()) {
            Ok(raw)
        } else {
            Err(self.corrupt("data"))
        }
    }

    fn counted<T>(&self, values: Vec<T>) -> Result<Vec<T>, Error> {
        if element_count(&self.dims) == Some(values.len()) {
            Ok(values)
        } else {
            Err(self.corrupt("data"))
        }
    }

    fn corrupt(&self, what: &str) -> Error {
        Error::Corrupt(format!(
            "tensor {:?}: its {what} do not fit dimensions {:?}",
            self.name, self.dims
        ))
    }
}

fn each<const N: usize, T>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    raw.as_chunks().0.iter().map(|&bytes| read(bytes)).collect()
}

/// Decodes a binary16 number.
fn f16_value(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f32::from(bits & 0x3ff);
    sign * match (bits >> 10) & 0x1f {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1.0 + fraction / 1024.0) * 2f32.powi(i32::from(exponent) - 15),
    }
}

/// Rounds to the nearest binary16 number, ties to even.
fn f16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    if value.is_nan() {
        return sign | 0x7e00;
    }
    let magnitude = value.abs();
    if magnitude >= 65520.0 {
        return sign | 0x7c00;
    }
    let exponent = ((magnitude.to_bits() >> 23) as i32 - 127).max(-14);
    // Multiples of the spacing at this exponent; a carry out of the fraction increments the exponent.
    let steps = (magnitude * 2f32.powi(10 - exponent)).round_ties_even() as u16;
    let biased = (exponent + 14) as u16;
    sign | (biased * 1024 + steps).min(0x7c00)
}

fn bf16_value(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Rounds to the nearest bfloat16 number, ties to even.
fn bf16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    // Adds half a unit in the last place, less one if the last remaining bit is even; a carry increments the exponent.
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bfloat16_numbers_round_trip_and_others_are_rounded() {
        for bits in 0..=u16::MAX {
            let value = bf16_value(bits);
            if value.is_nan() {
                assert!(bf16_value(bf16_bits(value)).is_nan());
            } else {
                assert_eq!(bf16_bits(value), bits, "{value}");
            }
        }
        // Neighbouring bfloat16 numbers are 1 and 1 + 2^-7; the tie rounds to even.
        let rounded = [0.25, 0.5, 0.75].map(|part| bf16_value(bf16_bits(1.0 + part / 128.0)));
        assert_eq!(rounded, [1.0, 1.0, 1.0 + 1.0 / 128.0]);
    }

    #[test]
    fn every_float16_number_round_trips() {
        for bits in 0..=u16::MAX {
            let value = f16_value(bits);
            if value.is_nan() {
                assert!(f16_value(f16_bits(value)).is_nan());
            } else {
                assert_eq!(f16_bits(value), bits, "{value}");
            }
        }
    }

    #[test]
    fn data_that_do_not_fit_the_dimensions_are_an_error() {
        let mut tensor = TensorProto::from_f32("w", &[2, 2], &[1., 2., 3., 4.]);
        assert_eq!(tensor.to_f32().unwrap(), [1., 2., 3., 4.]);
        tensor.dims = vec![2, 3];
        assert!(matches!(tensor.to_f32(), Err(Error::Corrupt(_))));
        tensor.dims = vec![i64::MAX, i64::MAX];
        assert!(matches!(tensor.to_f64(), Err(Error::Corrupt(_))));
        tensor.dims = vec![-1];
        assert!(matches!(tensor.shape(), Err(Error::Corrupt(_))));
    }

    #[test]
    fn elements_are_read_from_typed_fields_too() {
        let tensor = TensorProto {
            dims: vec![2],
            data_type: ElementType::I64.code(),
            int64_data: vec![-1, 7],
            ..Default::default()
        };
        assert_eq!(tensor.to_i64().unwrap(), [-1, 7]);
        assert_eq!(tensor.to_f64().unwrap(), [-1.0, 7.0]);
    }
}
