//! Element types of tensors.

/// The supported element types. Discriminants are those of `TensorProto.DataType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum ElementType {
    /// IEEE single precision.
    F32 = 1,
    /// 8-bit unsigned integer.
    U8 = 2,
    /// 8-bit integer.
    I8 = 3,
    /// 16-bit unsigned integer.
    U16 = 4,
    /// 16-bit integer.
    I16 = 5,
    /// 32-bit integer.
    I32 = 6,
    /// 64-bit integer.
    I64 = 7,
    /// Truth value.
    Bool = 9,
    /// IEEE half precision.
    F16 = 10,
    /// IEEE double precision.
    F64 = 11,
    /// 32-bit unsigned integer.
    U32 = 12,
    /// 64-bit unsigned integer.
    U64 = 13,
    /// The upper 16 bits of a float32.
    BF16 = 16,
}

impl ElementType {
    /// All of them.
    pub const ALL: [ElementType; 13] = [
        ElementType::F32,
        ElementType::U8,
        ElementType::I8,
        ElementType::U16,
        ElementType::I16,
        ElementType::I32,
        ElementType::I64,
        ElementType::Bool,
        ElementType::F16,
        ElementType::F64,
        ElementType::U32,
        ElementType::U64,
        ElementType::BF16,
    ];

    /// Name, and bytes per element.
    fn name_and_size(self) -> (&'static str, usize) {
        match self {
            ElementType::F32 => ("float32", 4),
            ElementType::U8 => ("uint8", 1),
            ElementType::I8 => ("int8", 1),
            ElementType::U16 => ("uint16", 2),
            ElementType::I16 => ("int16", 2),
            ElementType::I32 => ("int32", 4),
            ElementType::I64 => ("int64", 8),
            ElementType::Bool => ("bool", 1),
            ElementType::F16 => ("float16", 2),
            ElementType::F64 => ("float64", 8),
            ElementType::U32 => ("uint32", 4),
            ElementType::U64 => ("uint64", 8),
            ElementType::BF16 => ("bfloat16", 2),
        }
    }

    /// The type of this ONNX code, if it is supported.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|elem| *elem as i32 == code)
    }

    /// The ONNX code of the type (`TensorProto.DataType`).
    pub fn code(self) -> i32 {
        self as i32
    }

    /// The name of the type, for example `float32`.
    pub fn name(self) -> &'static str {
        self.name_and_size().0
    }

    /// Bytes per element.
    pub fn size(self) -> usize {
        self.name_and_size().1
    }

    /// Whether it is a floating-point type, and therefore differentiable.
    pub fn is_float(self) -> bool {
        matches!(
            self,
            ElementType::F32 | ElementType::F64 | ElementType::F16 | ElementType::BF16
        )
    }
}
