//! Recognises files and folders of other formats by their contents, and says how to get an ONNX file from each. One
//! table lists the formats; the first match counts.

use super::Error;
use crate::text::quoted;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes read from each end of a file.
const SAMPLE: u64 = 1 << 16;

/// Maximum number of folder entries examined.
const MAX_ENTRIES: usize = 1 << 12;

/// How a format is recognised.
enum Mark {
    /// The file begins with these bytes.
    Start(&'static [u8]),
    /// The file has these bytes at this offset.
    At(usize, &'static [u8]),
    /// A zip archive with an entry whose name ends with this suffix.
    Entry(&'static str),
    /// A text file that begins with one of these words, ignoring case, and contains another string.
    Text(&'static [&'static str], &'static str),
    /// A predicate.
    Test(fn(&Sample) -> bool),
    /// A folder with a file whose name ends with this suffix.
    Folder(&'static str),
}
use Mark::{At, Entry, Folder, Start, Test, Text};

const EXPORT: &str =
    "export its model in Python: torch.onnx.export(model, (example,), \"model.onnx\")";
const SAVED_MODEL: &str = "python -m tf2onnx.convert --saved-model FOLDER --output model.onnx";
const KERAS: &str = "load it in Keras and call model.export(\"model.onnx\", format=\"onnx\"), or python -m tf2onnx.convert --keras FILE --output model.onnx";
const PADDLE: &str = "paddle2onnx --model_dir FOLDER --model_filename FILE --params_filename FILE --save_file model.onnx";
const WEIGHTS: &str = "it has weights without a network: export the model they belong to, for example with optimum-cli export onnx --model FOLDER OUTPUT";
const CORE_ML: &str =
    "export the original model (onnxmltools.convert_coreml reads older .mlmodel files)";
const ORIGINAL: &str = "it cannot be converted back: export the original model";
const UNPACK: &str = "unpack it and name the .onnx file in it";
const AGAIN: &str = "its download did not finish: download it again";
const PICTURE: &str = "name the model first, then the picture";
const JUST_TEXT: &str = "name the .onnx file";

/// Mark, name, and how to get an ONNX file.
#[rustfmt::skip]
const FORMATS: &[(Mark, &str, &str)] = &[
    (Test(|file| file.size == 0), "an empty file", AGAIN),
    (Test(Sample::is_zero), "a file of zeros", AGAIN),
    (Start(b"version https://git-lfs.github.com/spec/"), "a Git LFS pointer", "git lfs pull fetches the file itself"),
    (Start(b"/annex/objects/"), "a git-annex pointer", "git annex get fetches the file itself"),
    (Entry(".onnx"), "a zip archive with an ONNX file in it", UNPACK),
    (Entry("data.pkl"), "a PyTorch file (.pt, .pth)", EXPORT),
    (Entry("model.weights.h5"), "a Keras model (.keras)", KERAS),
    (Entry("saved_model.pb"), "a zip archive with a TensorFlow SavedModel in it", SAVED_MODEL),
    (Entry(".mlmodel"), "a zip archive with a Core ML model in it", CORE_ML),
    (Entry(".npy"), "a NumPy archive (.npz)", EXPORT),
    (Start(b"PK\x03\x04"), "a zip archive", UNPACK),
    (Start(b"\x1f\x8b"), "a gzip archive", UNPACK),
    (Start(b"BZh"), "a bzip2 archive", UNPACK),
    (Start(b"\xfd7zXZ\0"), "an xz archive", UNPACK),
    (Start(b"\x28\xb5\x2f\xfd"), "a Zstandard archive", UNPACK),
    (Start(b"7z\xbc\xaf\x27\x1c"), "a 7z archive", UNPACK),
    (Start(b"Rar!\x1a\x07"), "a RAR archive", UNPACK),
    (At(257, b"ustar"), "a tar archive", UNPACK),
    (Start(b"\x89HDF\r\n\x1a\n"), "an HDF5 file, as Keras writes them (.h5)", KERAS),
    (Start(b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20"), "a PyTorch file (.pt, .pth)", EXPORT),
    (Test(Sample::is_pickle), "a Python pickle, as PyTorch and scikit-learn write them", EXPORT),
    (At(4, b"TFL3"), "a TensorFlow Lite model (.tflite)", "python -m tf2onnx.convert --tflite FILE --output model.onnx"),
    (At(4, b"ORTM"), "a model in ONNX Runtime's own format (.ort)", "name the .onnx file it was converted from"),
    (Test(Sample::is_safetensors), "a safetensors file", WEIGHTS),
    (Start(b"GGUF"), "a GGUF file", ORIGINAL),
    (Start(b"ftrt"), "a TensorRT engine", ORIGINAL),
    (Start(b"ptrt"), "a TensorRT engine", ORIGINAL),
    (Start(b"RKNN"), "an RKNN model", ORIGINAL),
    (Start(b"\x93NUMPY"), "a NumPy array (.npy)", EXPORT),
    (Start(b"\x89PNG"), "a PNG picture", PICTURE),
    (Start(b"\xff\xd8\xff"), "a JPEG picture", PICTURE),
    (Start(b"GIF8"), "a GIF picture", PICTURE),
    (At(8, b"WEBP"), "a WebP picture", PICTURE),
    (At(4, b"ftyp"), "a HEIC or AVIF picture, or a video", PICTURE),
    (Start(b"II*\0"), "a TIFF picture", PICTURE),
    (Start(b"MM\0*"), "a TIFF picture", PICTURE),
    (Start(b"%PDF"), "a PDF document", PICTURE),
    (Start(b"\x7fELF"), "a program or a library", JUST_TEXT),
    (Test(Sample::is_saved_model), "a TensorFlow SavedModel (.pb)", SAVED_MODEL),
    (Test(Sample::is_core_ml), "a Core ML model (.mlmodel)", CORE_ML),
    (Test(Sample::is_paddle), "a PaddlePaddle model (.pdmodel)", PADDLE),
    (Test(Sample::is_graph_def), "a TensorFlow graph (.pb)", "python -m tf2onnx.convert --graphdef FILE --inputs NAME:0 --outputs NAME:0 --output model.onnx"),
    (Test(Sample::is_caffe), "a Caffe model (.caffemodel)", ORIGINAL),
    (Text(&["<!doctype html", "<html", "<head", "<body"], ""), "an HTML page", "download the file itself, not the page about it (GitHub: raw, Hugging Face: resolve instead of blob)"),
    (Text(&["<?xml", "<net"], "<net"), "an OpenVINO model (.xml)", ORIGINAL),
    (Text(&["<?xml", "<error"], ""), "an XML file, such as a server's error message", "read its message, and download the model again"),
    (Text(&["{"], "modelTopology"), "a TensorFlow.js model (.json)", "python -m tf2onnx.convert --tfjs FILE --output model.onnx"),
    (Text(&["{"], "\"base_code\""), "a PaddlePaddle model (.json)", PADDLE),
    (Text(&["{"], "\"class_name\""), "a Keras network without weights (.json)", KERAS),
    (Text(&["{", "["], ""), "a JSON file", JUST_TEXT),
    (Text(&["7767517"], ""), "an ncnn network (.param)", ORIGINAL),
    (Text(&[""], ""), "a text file", JUST_TEXT),
    (Folder("saved_model.pb"), "a folder with a TensorFlow SavedModel", SAVED_MODEL),
    (Folder("Manifest.json"), "a Core ML package (.mlpackage)", CORE_ML),
    (Folder(".pdmodel"), "a folder with a PaddlePaddle model", PADDLE),
    (Folder(".safetensors"), "a folder with a Hugging Face model", "optimum-cli export onnx --model FOLDER OUTPUT"),
    (Folder("pytorch_model.bin"), "a folder with a Hugging Face model", "optimum-cli export onnx --model FOLDER OUTPUT"),
    (Folder(""), "a folder", JUST_TEXT),
];

/// The error that names the format of the file or folder at `path`, if it is recognised.
pub fn of_path(path: &Path) -> Option<Error> {
    if path.is_dir() {
        of_folder(path)
    } else {
        Sample::read(path).ok()?.named(path)
    }
}

/// The error that names the format of `bytes`, the contents of `path`, if it is recognised.
pub fn of_bytes(bytes: &[u8], path: &Path) -> Option<Error> {
    let end = bytes.len().saturating_sub(SAMPLE as usize);
    let sample = Sample {
        start: bytes[..bytes.len().min(SAMPLE as usize)].into(),
        end: bytes[end..].into(),
        size: bytes.len() as u64,
    };
    sample.named(path)
}

/// Name and remedy of the format of the file at `path`, if it is recognised. Continues a sentence.
pub fn described(path: &Path) -> Option<String> {
    let (_, name, remedy) = Sample::read(path).ok()?.format()?;
    Some(format!("{name}: {remedy}"))
}

/// Name of the format of the file at `path`, if it is recognised.
pub fn name(path: &Path) -> Option<&'static str> {
    let (_, name, _) = Sample::read(path).ok()?.format()?;
    Some(name)
}

fn error(path: &Path, name: &str, remedy: String) -> Error {
    Error::OtherFormat {
        path: path.display().to_string(),
        name: name.into(),
        remedy,
    }
}

/// A folder is never a model. If it contains an ONNX file, the error suggests that.
fn of_folder(path: &Path) -> Option<Error> {
    let listed = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.take(MAX_ENTRIES).map(|entry| entry.file_name());
        let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
        names.sort();
        names
    };
    let names = listed(path);
    let inner = listed(&path.join("onnx"));
    let inner = inner.into_iter().map(|name| format!("onnx/{name}"));
    let mut models = names.iter().cloned().chain(inner);
    if let Some(model) = models.find(|name| name.to_lowercase().ends_with(".onnx")) {
        let remedy = format!("name the file in it, {}", quoted(&model));
        return Some(error(path, "a folder", remedy));
    }
    let fits = |(mark, ..): &&(Mark, &str, &str)| match mark {
        Folder(ending) => ending.is_empty() || names.iter().any(|name| name.ends_with(ending)),
        _ => false,
    };
    let (_, name, remedy) = FORMATS.iter().find(fits)?;
    Some(error(path, name, (*remedy).into()))
}

/// The beginning and the end of a file.
struct Sample {
    start: Vec<u8>,
    end: Vec<u8>,
    size: u64,
}

impl Sample {
    fn read(path: &Path) -> std::io::Result<Self> {
        let mut file = crate::files::open(path)?;
        let size = file.metadata()?.len();
        let (mut start, mut end) = (Vec::new(), Vec::new());
        (&mut file).take(SAMPLE).read_to_end(&mut start)?;
        file.seek(SeekFrom::Start(size.saturating_sub(SAMPLE)))?;
        file.take(SAMPLE).read_to_end(&mut end)?;
        Ok(Self { start, end, size })
    }

    fn named(&self, path: &Path) -> Option<Error> {
        let (_, name, remedy) = self.format()?;
        Some(error(path, name, (*remedy).into()))
    }

    fn format(&self) -> Option<&'static (Mark, &'static str, &'static str)> {
        FORMATS.iter().find(|(mark, ..)| self.has(mark))
    }

    fn has(&self, mark: &Mark) -> bool {
        match mark {
            Start(bytes) => self.start.starts_with(bytes),
            At(offset, bytes) => self
                .start
                .get(*offset..)
                .is_some_and(|rest| rest.starts_with(bytes)),
            Entry(ending) => self.entries().any(|name| name.ends_with(ending.as_bytes())),
            Text(words, contained) => self.is_text(words, contained),
            Test(test) => test(self),
            Folder(_) => false,
        }
    }

    /// Names of the entries of a zip archive, from the local headers and the central directory within the sample.
    fn entries(&self) -> impl Iterator<Item = &[u8]> {
        let is_zip = self.start.starts_with(b"PK\x03\x04");
        let headers = [
            (&self.start, b"PK\x03\x04", 26, 30),
            (&self.end, b"PK\x01\x02", 28, 46),
        ];
        headers
            .into_iter()
            .filter(move |_| is_zip)
            .flat_map(|(bytes, signature, length, name)| {
                let offsets =
                    (0..bytes.len()).filter(move |&offset| bytes[offset..].starts_with(signature));
                offsets.filter_map(move |offset| {
                    let header = &bytes[offset..];
                    let length =
                        u16::from_le_bytes(header.get(length..length + 2)?.try_into().ok()?);
                    header.get(name..name + usize::from(length))
                })
            })
    }

    fn is_text(&self, words: &[&str], contained: &str) -> bool {
        // The sample may end within a character.
        let decoded = match std::str::from_utf8(&self.start) {
            Ok(text) => text,
            Err(problem) if problem.error_len().is_none() => {
                let valid = &self.start[..problem.valid_up_to()];
                std::str::from_utf8(valid).unwrap_or_default()
            }
            Err(_) => return false,
        };
        let is_plain = |c: char| !c.is_control() || c.is_ascii_whitespace();
        let text = decoded.trim_start_matches('\u{feff}').trim_start();
        let begins = |word: &&str| {
            let start = text.get(..word.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        decoded.chars().all(is_plain) && words.iter().any(begins) && text.contains(contained)
    }

    fn is_zero(&self) -> bool {
        self.start.iter().chain(&self.end).all(|&byte| byte == 0)
    }

    /// Protocols 2 to 5 begin with the protocol version, and every pickle ends with a full stop.
    fn is_pickle(&self) -> bool {
        matches!(self.start[..], [0x80, 2..=5, ..]) && self.end.last() == Some(&b'.')
    }

    /// The length of a JSON header, then the header.
    fn is_safetensors(&self) -> bool {
        let length = self
            .start
            .first_chunk()
            .map(|bytes| u64::from_le_bytes(*bytes));
        length.is_some_and(|length| length < self.size) && self.start[8..].starts_with(b"{")
    }

    /// A version, then a single graph up to the end of the file.
    fn is_saved_model(&self) -> bool {
        let graph = self.start.strip_prefix(b"\x08\x01\x12").and_then(varint);
        graph.is_some_and(|(length, rest)| {
            let head = (self.start.len() - rest.len()) as u64;
            head.checked_add(length) == Some(self.size)
        })
    }

    /// A version, then a description that begins with an input.
    fn is_core_ml(&self) -> bool {
        let [8, 1..=20, 0x12, rest @ ..] = &self.start[..] else {
            return false;
        };
        varint(rest).is_some_and(|(_, rest)| rest.starts_with(b"\x0a"))
    }

    /// Blocks, the first with index 0.
    fn is_paddle(&self) -> bool {
        let block = self.start.strip_prefix(b"\x0a").and_then(varint);
        block.is_some_and(|(_, rest)| rest.starts_with(b"\x08\0\x10"))
    }

    /// Nodes, each with a name and an operator.
    fn is_graph_def(&self) -> bool {
        let node = self.start.strip_prefix(b"\x0a").and_then(varint);
        let name = node.and_then(|(_, rest)| text_field(rest, b"\x0a"));
        name.is_some_and(|(_, rest)| text_field(rest, b"\x12").is_some())
    }

    /// A name, then layers.
    fn is_caffe(&self) -> bool {
        let name = text_field(&self.start, b"\x0a");
        name.is_some_and(|(_, rest)| rest.starts_with(b"\xa2\x06"))
    }
}

/// A protobuf varint, and the remaining bytes.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().take(9).position(|byte| byte & 0x80 == 0)? + 1;
    let digits = bytes[..length].iter().rev();
    let number = digits.fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f));
    Some((number, &bytes[length..]))
}

/// A protobuf string field with this tag, if it is printable ASCII, and the remaining bytes.
fn text_field<'a>(bytes: &'a [u8], tag: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (length, rest) = varint(bytes.strip_prefix(tag)?)?;
    let (text, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let is_text = !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    is_text.then_some((text, rest))
}

#[cfg(test)]
mod tests;
