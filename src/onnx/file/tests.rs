use super::*;
use crate::onnx::proto::{GraphProto, NodeProto, OperatorSetIdProto, TensorProto};
use proptest::prelude::*;

fn model() -> ModelProto {
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: 17,
        }],
        graph: Some(GraphProto {
            node: vec![NodeProto::new("Add", &["x", "w"], &["y"])],
            initializer: vec![TensorProto::from_f32("w", &[3], &[1., 2., 3.])],
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn external_data_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    write(model(), &path, Some(4)).unwrap();
    assert_eq!(
        std::fs::metadata(folder.path().join("m.onnx.data"))
            .unwrap()
            .len(),
        12
    );
    assert_eq!(read(&path).unwrap(), model());
    write(model(), &path, None).unwrap();
    assert_eq!(read(&path).unwrap(), model());
}

#[test]
fn external_data_outside_the_folder_or_past_the_end_of_the_file_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inner/m.onnx");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    std::fs::write(folder.path().join("secret"), [0; 64]).unwrap();
    std::os::unix::fs::symlink("../secret", path.with_file_name("link")).unwrap();
    std::fs::write(path.with_file_name("short"), [0; 11]).unwrap();
    for location in [
        "../secret",
        "/etc/hostname",
        "link",
        "short",
        "",
        ".",
        "missing",
    ] {
        let mut hostile = model();
        let tensor = &mut hostile.graph.as_mut().unwrap().initializer[0];
        tensor.raw_data = None;
        tensor.data_location = DataLocation::External as i32;
        tensor.external_data = vec![StringStringEntryProto {
            key: "location".into(),
            value: location.into(),
        }];
        std::fs::write(&path, encode(&hostile).unwrap()).unwrap();
        let problem = read(&path).unwrap_err().to_string();
        assert!(
            problem.contains("\"w\"") && !problem.contains('\n'),
            "{location}: {problem}"
        );
    }
}

#[test]
fn claimed_sizes_are_checked_before_allocating() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    std::fs::write(folder.path().join("data"), [0; 8]).unwrap();
    let mut hostile = model();
    let tensor = &mut hostile.graph.as_mut().unwrap().initializer[0];
    tensor.dims = vec![1 << 40];
    tensor.raw_data = None;
    tensor.data_location = DataLocation::External as i32;
    tensor.external_data = vec![StringStringEntryProto {
        key: "location".into(),
        value: "data".into(),
    }];
    std::fs::write(&path, encode(&hostile).unwrap()).unwrap();
    assert!(matches!(read(&path), Err(Error::Corrupt(_))));
}

#[test]
fn text_and_truncated_models_are_not_onnx() {
    let path = Path::new("m.onnx");
    let encoded = encode(&model()).unwrap();
    for bytes in [
        b"This is a README, not a model.".to_vec(),
        vec![],
        encoded[..encoded.len() - 5].to_vec(),
    ] {
        let problem = decode(bytes.into(), path).unwrap_err().to_string();
        assert!(
            problem.starts_with("m.onnx is not an ONNX model"),
            "{problem}"
        );
    }
}

proptest! {
    #[test]
    fn damaged_bytes_never_panic(position in 0usize..200, value: u8, cut in 0usize..200) {
        let mut bytes = encode(&model()).unwrap();
        let length = bytes.len();
        bytes[position % length] = value;
        bytes.truncate(length - cut % length);
        if let Ok(mut model) = decode(bytes.into(), Path::new("m.onnx")) {
            for tensor in tensors_of_model(&mut model) {
                let _ = tensor.to_f64();
            }
        }
    }
}

#[test]
fn a_model_and_its_external_data_are_replaced_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    let data = folder.path().join("m.onnx.data");
    write(model(), &path, None).unwrap();
    assert!(external_files(&path).unwrap().is_empty());
    let before = std::fs::read(&path).unwrap();
    // A folder is in the way of the data: the model stays as it is.
    std::fs::create_dir(&data).unwrap();
    assert!(write(model(), &path, Some(1)).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::remove_dir(&data).unwrap();
    write(model(), &path, Some(1)).unwrap();
    assert_eq!(external_files(&path).unwrap(), [data]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
#[cfg(unix)]
fn external_data_are_beside_the_file_that_a_link_leads_to() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    std::fs::create_dir(&there).unwrap();
    let link = folder.path().join("link.onnx");
    std::os::unix::fs::symlink("there/m.onnx", &link).unwrap();
    write(model(), &link, Some(1)).unwrap();
    assert!(link.is_symlink() && there.join("m.onnx.data").is_file());
    assert_eq!(read(&there.join("m.onnx")).unwrap(), model());
}
