use super::*;
use crate::onnx::types::fixed_dims;
use crate::onnx::{Attribute, Builder, ElementType, ValueType};

/// A graph being built whose values' dimensions are known.
struct Net {
    builder: Builder,
    shapes: Types,
}

impl Net {
    fn new(side: usize) -> Self {
        let mut builder = Builder::empty(18, "g/");
        let dims = [1, 3, side, side];
        builder
            .input("x", ElementType::F32, &fixed_dims(&dims))
            .unwrap();
        let mut net = Self {
            builder,
            shapes: Types::default(),
        };
        net.learn("x", &dims);
        net
    }

    fn learn(&mut self, name: &str, dims: &[usize]) {
        let dims = dims.to_vec();
        let elem = ElementType::F32;
        self.shapes.insert(name, ValueType { elem, dims });
    }

    fn emit(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
        dims: &[usize],
    ) -> String {
        let name = self.builder.emit(op, inputs, attributes);
        self.learn(&name, dims);
        name
    }

    /// A convolution to four channels, the borders padded.
    fn conv(&mut self, from: &str, kernel: usize, stride: usize) -> String {
        let dims = self.shapes.find(from).unwrap().dims.clone();
        let weight = self.builder.floats(
            &[4, 4, kernel as i64, kernel as i64],
            &vec![0.0; 16 * kernel * kernel],
        );
        self.learn(&weight, &[4, 4, kernel, kernel]);
        let strides = vec![stride as i64; 2];
        let out = [1, 4, dims[2].div_ceil(stride), dims[3].div_ceil(stride)];
        self.emit(
            "Conv",
            &[from, &weight],
            &[("strides", strides.into())],
            &out,
        )
    }

    fn field(&self, name: &str) -> ReceptiveField {
        receptive_fields(self.builder.graph(), &self.shapes, "x")[name]
    }
}

fn square(side: usize) -> ReceptiveField {
    ReceptiveField::Pixels {
        rows: side,
        columns: side,
    }
}

/// Kernels and strides of EfficientNet-Lite0's stem and depthwise convolutions, and the fields after them.
#[test]
fn efficientnet_lite0_has_the_fields_that_are_known_of_it() {
    let stages = [
        (&[(3, 2), (3, 1)][..], 7),
        (&[(3, 2), (3, 1)], 19),
        (&[(5, 2), (5, 1)], 67),
        (&[(3, 2), (3, 1), (3, 1)], 147),
        (&[(5, 1), (5, 1), (5, 1)], 339),
        (&[(5, 2), (5, 1), (5, 1), (5, 1)], 787),
        (&[(3, 1)], 851),
    ];
    let mut net = Net::new(224);
    let mut last = "x".to_string();
    for (convolutions, field) in stages {
        for (kernel, stride) in convolutions {
            last = net.conv(&last, *kernel, *stride);
            last = net.conv(&last, 1, 1);
        }
        assert_eq!(net.field(&last), square(field));
    }
    let dims = net.shapes.find(&last).unwrap().dims.clone();
    let pooled = net.emit("GlobalAveragePool", &[&last], &[], &[1, 4, 1, 1]);
    assert_eq!((dims[2], net.field(&pooled)), (7, ReceptiveField::Whole));
}

#[test]
fn a_residual_sees_as_far_as_its_longer_branch() {
    let mut net = Net::new(32);
    let stem = net.conv("x", 7, 2);
    let inner = net.conv(&stem, 3, 1);
    let inner = net.conv(&inner, 3, 1);
    let sum = net.emit("Add", &[&stem, &inner], &[], &[1, 4, 16, 16]);
    assert_eq!(net.field(&stem), square(7));
    assert_eq!(net.field(&sum), square(7 + 4 + 4));
    let shortcut = net.conv(&sum, 1, 2);
    let inner = net.conv(&sum, 3, 2);
    let down = net.emit("Add", &[&inner, &shortcut], &[], &[1, 4, 8, 8]);
    assert_eq!(net.field(&shortcut), square(15));
    assert_eq!(net.field(&down), square(19));
}

#[test]
fn pools_dilations_and_upsampling_count() {
    let mut net = Net::new(32);
    let kernel = |side: i64| ("kernel_shape", vec![side; 2].into());
    let pool = net.emit(
        "MaxPool",
        &["x"],
        &[kernel(2), ("strides", vec![2i64; 2].into())],
        &[1, 3, 16, 16],
    );
    assert_eq!(net.field(&pool), square(2));
    let dilated = net.emit(
        "AveragePool",
        &[&pool],
        &[kernel(3), ("dilations", vec![2i64; 2].into())],
        &[1, 3, 16, 16],
    );
    assert_eq!(net.field(&dilated), square(2 + 2 * 2 * 2));
    let up = net.emit(
        "Resize",
        &[&pool],
        &[("mode", "linear".into())],
        &[1, 3, 32, 32],
    );
    let conv = net.conv(&up, 3, 1);
    assert_eq!(net.field(&up), square(4));
    assert_eq!(net.field(&conv), square(6));
}

#[test]
fn gates_over_the_picture_and_unknown_operators_see_all_of_it() {
    let mut net = Net::new(32);
    let conv = net.conv("x", 3, 1);
    let pooled = net.emit("GlobalAveragePool", &[&conv], &[], &[1, 4, 1, 1]);
    let gated = net.emit("Mul", &[&conv, &pooled], &[], &[1, 4, 32, 32]);
    assert_eq!(net.field(&gated), ReceptiveField::Whole);
    let odd = net.emit("Mystery", &[&conv], &[], &[1, 4, 32, 32]);
    assert_eq!(net.field(&odd), ReceptiveField::Whole);
    let axes = net.builder.ints(&[2]);
    let rows = net.emit("ReduceMean", &[&conv, &axes], &[], &[1, 4, 1, 32]);
    assert_eq!(net.field(&rows), ReceptiveField::Whole);
    assert!(!receptive_fields(net.builder.graph(), &net.shapes, "x").contains_key("nothing"));
}

#[test]
fn places_are_followed_through_other_orders_of_axes() {
    let mut net = Net::new(32);
    let conv = net.conv("x", 3, 2);
    let last = net.emit(
        "Transpose",
        &[&conv],
        &[("perm", vec![0i64, 2, 3, 1].into())],
        &[1, 16, 16, 4],
    );
    let weight = net.builder.floats(&[4, 8], &[0.0; 32]);
    net.learn(&weight, &[4, 8]);
    let mixed = net.emit("MatMul", &[&last, &weight], &[], &[1, 16, 16, 8]);
    let normal = net.emit(
        "LayerNormalization",
        &[&mixed, &weight],
        &[],
        &[1, 16, 16, 8],
    );
    let first = net.emit(
        "Transpose",
        &[&normal],
        &[("perm", vec![0i64, 3, 1, 2].into())],
        &[1, 8, 16, 16],
    );
    let shape = net.builder.ints(&[1, 2, 4, 16, 16]);
    let groups = net.emit("Reshape", &[&first, &shape], &[], &[1, 2, 4, 16, 16]);
    let shape = net.builder.ints(&[1, 8, 16, 16]);
    let again = net.emit("Reshape", &[&groups, &shape], &[], &[1, 8, 16, 16]);
    assert_eq!(net.field(&again), square(3));
    let shape = net.builder.ints(&[1, 8, 256]);
    let tokens = net.emit("Reshape", &[&first, &shape], &[], &[1, 8, 256]);
    assert_eq!(net.field(&tokens), ReceptiveField::Whole);
}

#[test]
fn every_other_pixel_is_two_pixels_away() {
    let mut net = Net::new(32);
    let [start, end, axes, steps] =
        [&[0, 0][..], &[32, 32], &[2, -1], &[2, 2]].map(|values| net.builder.ints(values));
    let half = net.emit(
        "Slice",
        &["x", &start, &end, &axes, &steps],
        &[],
        &[1, 3, 16, 16],
    );
    let conv = net.conv(&half, 3, 1);
    assert_eq!((net.field(&half), net.field(&conv)), (square(1), square(5)));
}
