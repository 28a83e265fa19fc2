use super::*;
use std::io::{Cursor, Write};

/// The error message for a file of `bytes`; empty if it is not recognised.
fn named(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    std::fs::write(&path, bytes).unwrap();
    let from_file = of_path(&path).map_or(String::new(), |error| error.to_string());
    let from_bytes = of_bytes(bytes, &path).map_or(String::new(), |error| error.to_string());
    assert_eq!(from_file, from_bytes);
    from_file
}

fn archive(entries: &[&str]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for entry in entries {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(*entry, options).unwrap();
        // Large enough that no sample covers the first and the last entry.
        let noise: Vec<u8> = (0..50_000u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        writer.write_all(&noise).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn padded(start: &[u8]) -> Vec<u8> {
    [start, &[0x5c; 300]].concat()
}

#[test]
fn every_format_is_recognised_by_its_contents_in_one_line() {
    let tar = {
        let mut tar = vec![0; 512];
        tar[..5].copy_from_slice(b"a.txt");
        tar[257..262].copy_from_slice(b"ustar");
        tar
    };
    let pickle = [&b"\x80\x04\x95"[..], &[7; 50], b"."].concat();
    let saved_model = [&b"\x08\x01\x12\xac\x02\x0a\x10"[..], &[1; 298]].concat();
    let core_ml = [&b"\x08\x04\x12\x0e\x0a\x0c\x0a\x05image"[..], &[1; 98]].concat();
    let safetensors = [
        &40u64.to_le_bytes()[..],
        br#"{"w":{"dtype":"F32","#,
        &[b' '; 90],
    ]
    .concat();
    for (bytes, expected) in [
        (vec![], "an empty file"),
        (vec![0; 5000], "zeros"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4b\nsize 102442450\n".to_vec(),
            "a Git LFS pointer: git lfs pull",
        ),
        (
            b"/annex/objects/SHA256E-s10--ab.onnx\n".to_vec(),
            "git annex get",
        ),
        (
            archive(&["readme", "in/model.onnx", "x"]),
            "a zip archive with an ONNX file",
        ),
        (
            archive(&["archive/data.pkl", "archive/data/0", "archive/version"]),
            "PyTorch",
        ),
        (
            archive(&["metadata.json", "config.json", "model.weights.h5"]),
            "Keras",
        ),
        (
            archive(&["m/keras_metadata.pb", "m/saved_model.pb"]),
            "SavedModel",
        ),
        (archive(&["a.npy"]), "NumPy"),
        (
            archive(&[
                "m.mlpackage/Manifest.json",
                "m.mlpackage/Data/com.apple.CoreML/m.mlmodel",
            ]),
            "Core ML",
        ),
        (archive(&["a", "b"]), "a zip archive: unpack"),
        (
            archive(&["a", "b"])[..500].to_vec(),
            "a zip archive: unpack",
        ),
        (padded(b"\x1f\x8b\x08\0"), "gzip"),
        (padded(b"BZh9"), "bzip2"),
        (padded(b"\xfd7zXZ\0"), "xz"),
        (padded(b"\x28\xb5\x2f\xfd"), "Zstandard"),
        (tar, "tar archive"),
        (padded(b"\x89HDF\r\n\x1a\n"), "HDF5"),
        (
            padded(b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."),
            "PyTorch",
        ),
        (pickle, "pickle"),
        (padded(b"\x1c\0\0\0TFL3"), "TensorFlow Lite"),
        (padded(b"\x1c\0\0\0ORTM"), ".ort"),
        (safetensors, "safetensors"),
        (
            padded(b"\x89PNG\r\n\x1a\n"),
            "a PNG picture: name the model first",
        ),
        (saved_model, "TensorFlow SavedModel (.pb)"),
        (core_ml, "Core ML model"),
        (
            padded(b"\x0a\x90\x02\x08\0\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            "PaddlePaddle",
        ),
        (
            padded(b"\x0a\x1a\x0a\x05input\x12\x0bPlaceholder"),
            "TensorFlow graph",
        ),
        (padded(b"\x0a\x07AlexNet\xa2\x06\x20"), "Caffe"),
        (
            b"\n\n<!DOCTYPE html><html></html>".to_vec(),
            "an HTML page: download the file itself",
        ),
        (b"<HTML lang=en>".to_vec(), "an HTML page"),
        (
            b"<?xml version=\"1.0\"?>\n<net name=\"m\" version=\"11\">".to_vec(),
            "OpenVINO",
        ),
        (
            b"<?xml version=\"1.0\"?><Error>no</Error>".to_vec(),
            "an XML file",
        ),
        (
            br#"{"format": "layers-model", "modelTopology": {}}"#.to_vec(),
            "TensorFlow.js",
        ),
        (
            br#"{"class_name": "Functional"}"#.to_vec(),
            "Keras network without weights",
        ),
        ("\u{feff}[1, 2]".into(), "a JSON file"),
        ("kärpfen\n".repeat(20_000).into(), "a text file"),
    ] {
        let named = named(&bytes);
        assert!(
            named.contains("m.onnx is not an ONNX model but "),
            "{expected}: {named}"
        );
        assert!(
            named.contains(expected) && !named.contains('\n'),
            "{expected}: {named}"
        );
    }
}

#[test]
fn unknown_formats_are_not_recognised() {
    for bytes in [
        &b"\x08\x08\x12\x07pytorch\x3a\x10"[..],
        b"\x08\x08\x3a\x40",
        b"\xff\xfe\0\x01",
        b"\x08\x01\x12",
    ] {
        assert_eq!(named(bytes), "");
    }
}

#[test]
fn folders_are_recognised_by_their_files() {
    for (file, expected) in [
        ("saved_model.pb", "a folder with a TensorFlow SavedModel"),
        ("Manifest.json", "Core ML package"),
        ("inference.pdmodel", "PaddlePaddle"),
        ("model.safetensors", "Hugging Face"),
        ("b.onnx", "a folder: name the file in it, \"b.onnx\""),
        (
            "onnx/model.onnx",
            "a folder: name the file in it, \"onnx/model.onnx\"",
        ),
        ("readme", "a folder: name the .onnx file"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("onnx")).unwrap();
        std::fs::write(folder.path().join(file), "").unwrap();
        let named = of_path(folder.path()).unwrap().to_string();
        assert!(named.contains(expected), "{named}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_can_be_examined(start in 0..FORMATS.len(), rest: Vec<u8>) {
        let start = match FORMATS[start].0 {
            Start(bytes) => bytes,
            _ => b"PK\x03\x04",
        };
        let _ = of_bytes(&[start, &rest].concat(), Path::new("m.onnx"));
        let _ = of_bytes(&rest, Path::new("m.onnx"));
    }
}
