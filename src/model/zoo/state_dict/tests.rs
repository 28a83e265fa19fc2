use proptest::prelude::*;

use super::*;

fn text(text: &str) -> Vec<u8> {
    let mut bytes = vec![b'X'];
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

fn int(value: i64) -> Vec<u8> {
    [&[0x8a, 8][..], &value.to_le_bytes()].concat()
}

fn ints(values: &[i64]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|value| int(*value)).collect();
    [b"(", values.as_slice(), b"t"].concat()
}

fn pickle(parts: &[&[u8]]) -> Vec<u8> {
    [b"\x80\x02", parts.concat().as_slice(), b"."].concat()
}

/// One tensor `weight` of a storage `0` with six elements 0, 1, .., 5 of the type `class`.
struct File {
    class: &'static str,
    offset: i64,
    shape: Vec<i64>,
    strides: Vec<i64>,
    announced: i64,
    count: i64,
    data: Vec<u8>,
}

impl File {
    fn new(shape: &[i64], strides: &[i64]) -> Self {
        Self {
            class: "FloatStorage",
            offset: 0,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
            announced: 6,
            count: 6,
            data: (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let storage = [
            b"(".to_vec(),
            text("storage"),
            format!("ctorch\n{}\n", self.class).into_bytes(),
            text("0"),
            text("cpu"),
            int(self.announced),
            b"NtQ".to_vec(),
        ]
        .concat();
        let object = pickle(&[
            b"ccollections\nOrderedDict\n)R",
            &text("weight"),
            b"ctorch._utils\n_rebuild_tensor_v2\n(",
            &storage,
            &int(self.offset),
            &ints(&self.shape),
            &ints(&self.strides),
            b"\x89ccollections\nOrderedDict\n)RtRs",
            // What `BUILD` sets on the ordered dictionary.
            b"}",
            &text("_metadata"),
            b"}sb",
        ]);
        [
            pickle(&[b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"]),
            pickle(&[b"M\xe9\x03"]),
            pickle(&[b"}", &text("little_endian"), b"\x88s"]),
            object,
            pickle(&[b"](", &text("0"), b"e"]),
            self.count.to_le_bytes().to_vec(),
            self.data.clone(),
        ]
        .concat()
    }

    fn read(&self) -> Result<Tensor, Error> {
        let mut dictionary = StateDict::read(&self.bytes())?;
        let shape: Vec<usize> = self.shape.iter().map(|size| *size as usize).collect();
        let tensor = dictionary.take("weight", &shape)?;
        dictionary.finish()?;
        Ok(tensor)
    }
}

#[test]
fn a_contiguous_tensor_keeps_its_order() {
    let tensor = File::new(&[2, 3], &[3, 1]).read().unwrap();
    assert_eq!(tensor.data, [0., 1., 2., 3., 4., 5.]);
    assert_eq!(tensor.elem, ElementType::F32);
}

#[test]
fn strides_and_offset_are_honoured() {
    let transposed = File::new(&[3, 2], &[1, 3]).read().unwrap();
    assert_eq!(transposed.data, [0., 3., 1., 4., 2., 5.]);
    let mut column = File::new(&[2], &[3]);
    column.offset = 1;
    assert_eq!(column.read().unwrap().data, [1., 4.]);
    assert_eq!(File::new(&[], &[]).read().unwrap().data, [0.]);
    assert_eq!(
        File::new(&[2, 2], &[0, 1]).read().unwrap().data,
        [0., 1., 0., 1.]
    );
}

#[test]
fn every_type_becomes_float32() {
    type Encode = fn(i32) -> Vec<u8>;
    let types: [(&str, Encode); 8] = [
        ("DoubleStorage", |i| f64::from(i).to_le_bytes().to_vec()),
        ("HalfStorage", |i| {
            let bits = [0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500u16];
            bits[i as usize].to_le_bytes().to_vec()
        }),
        ("BFloat16Storage", |i| {
            (((i as f32).to_bits() >> 16) as u16).to_le_bytes().to_vec()
        }),
        ("LongStorage", |i| i64::from(i).to_le_bytes().to_vec()),
        ("IntStorage", |i| i.to_le_bytes().to_vec()),
        ("ShortStorage", |i| (i as i16).to_le_bytes().to_vec()),
        ("CharStorage", |i| vec![i as u8]),
        ("ByteStorage", |i| vec![i as u8]),
    ];
    for (class, encode) in types {
        let mut file = File::new(&[6], &[1]);
        file.class = class;
        file.data = (0..6).flat_map(encode).collect();
        let tensor = file.read().unwrap();
        assert_eq!(tensor.data, [0., 1., 2., 3., 4., 5.], "{class}");
    }
}

#[test]
fn a_tensor_outside_its_storage_is_an_error_that_names_it() {
    let mut file = File::new(&[2, 3], &[3, 1]);
    file.offset = 1;
    let error = file.read().unwrap_err();
    assert!(matches!(&error, Error::OutsideStorage { name } if name == "weight"));
}

#[test]
fn huge_shapes_strides_and_counts_are_errors_and_allocate_nothing() {
    for (shape, strides) in [
        ([1 << 40, 3], [0, 0]),
        ([i64::MAX, i64::MAX], [1, 1]),
        ([2, 2], [i64::MAX, i64::MAX]),
    ] {
        assert!(File::new(&shape, &strides).read().is_err(), "{shape:?}");
    }
    let mut file = File::new(&[6], &[1]);
    (file.announced, file.count) = (i64::MAX, i64::MAX);
    assert!(matches!(file.read(), Err(Error::Truncated { .. })));
    (file.announced, file.count) = (6, 5);
    assert!(matches!(file.read(), Err(Error::Malformed { .. })));
    (file.announced, file.count) = (-6, -6);
    assert!(matches!(file.read(), Err(Error::NotATensor { .. })));
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let bytes = File::new(&[2, 3], &[3, 1]).bytes();
    for end in 0..bytes.len() {
        assert!(StateDict::read(&bytes[..end]).is_err(), "cut at {end}");
    }
    let longer = [bytes.as_slice(), b"x"].concat();
    assert!(matches!(
        StateDict::read(&longer),
        Err(Error::TrailingBytes { .. })
    ));
}

#[test]
fn a_file_that_is_no_checkpoint_is_an_error() {
    for bytes in [&b""[..], b"PK\x03\x04", b"\x80\x02K\x01."] {
        assert!(matches!(StateDict::read(bytes), Err(Error::NotACheckpoint)));
    }
}

#[test]
fn a_wrong_shape_and_a_left_over_tensor_are_named() {
    let bytes = File::new(&[2, 3], &[3, 1]).bytes();
    let mut dictionary = StateDict::read(&bytes).unwrap();
    let left = dictionary.clone().finish().unwrap_err().to_string();
    assert!(left.contains("\"weight\""), "{left}");
    let wrong = dictionary.take("weight", &[3, 2]).unwrap_err().to_string();
    assert!(
        wrong.contains("\"weight\"") && wrong.contains("[2, 3]"),
        "{wrong}"
    );
}

proptest! {
    /// Any byte of a good file may be wrong.
    #[test]
    fn a_changed_byte_never_panics(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = File::new(&[2, 3], &[3, 1]).bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let _ = StateDict::read(&bytes);
    }

    #[test]
    fn any_view_is_read_or_refused(
        offset in -2i64..9,
        dimensions in proptest::collection::vec((0i64..5, -1i64..7), 0..4),
    ) {
        let (shape, strides): (Vec<_>, Vec<_>) = dimensions.into_iter().unzip();
        let mut file = File::new(&shape, &strides);
        file.offset = offset;
        if let Ok(tensor) = file.read() {
            prop_assert_eq!(tensor.data.len() as i64, shape.iter().product::<i64>());
        }
    }
}
