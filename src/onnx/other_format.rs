//! Files and folders that people take for ONNX models and that are none: recognised by what is in them, each with the way to
//! an ONNX file. One table has them all; the first row that fits names the file.

use super::Error;
use crate::text::printable;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How much is looked at of either end of a file.
const SAMPLE: u64 = 1 << 16;

/// Most entries of a folder that are looked at.
const MOST_ENTRIES: usize = 1 << 12;

/// What a file of a format looks like.
enum Mark {
    /// It begins with these bytes.
    Start(&'static [u8]),
    /// These bytes stand at this place.
    At(usize, &'static [u8]),
    /// It is a zip archive with an entry whose name ends like this.
    Entry(&'static str),
    /// It is a text that begins with one of these words, in whatever case, and has another one further on.
    Text(&'static [&'static str], &'static str),
    /// It passes a test.
    Test(fn(&Sample) -> bool),
    /// It is a folder with a file whose name ends like this.
    Folder(&'static str),
}
use Mark::{At, Entry, Folder, Start, Test, Text};

const EXPORT: &str =
    "export its model in Python: torch.onnx.export(model, (example,), \"model.onnx\")";
const SAVED_MODEL: &str = "python -m tf2onnx.convert --saved-model FOLDER --output model.onnx";
const KERAS: &str = "load it in Keras and call model.export(\"model.onnx\", format=\"onnx\"), or python -m tf2onnx.convert --keras FILE --output model.onnx";
const PADDLE: &str = "paddle2onnx --model_dir FOLDER --model_filename FILE --params_filename FILE --save_file model.onnx";
const WEIGHTS: &str = "it has weights without a network: export the model they belong to, for example with optimum-cli export onnx --model FOLDER OUTPUT";
const CORE_ML: &str = "export the model that it was made from (onnxmltools.convert_coreml reads older .mlmodel files)";
const ORIGINAL: &str = "there is no way back from it: export the model that it was made from";
const UNPACK: &str = "unpack it and name the .onnx file in it";
const AGAIN: &str = "its download did not finish: download it again";
const PICTURE: &str = "name the model first, then the picture";
const JUST_TEXT: &str = "name the .onnx file";

/// Signature, name, and the way to an ONNX file.
#[rustfmt::skip]
const FORMATS: &[(Mark, &str, &str)] = &[
    (Test(|file| file.size == 0), "an empty file", AGAIN),
    (Test(Sample::is_zero), "a file of zeros alone", AGAIN),
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
    (At(4, b"ORTM"), "a model in ONNX Runtime's own format (.ort)", "name the .onnx file that it was made from"),
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
    (At(4, b"ftyp"), "a HEIC or AVIF picture, or a film", PICTURE),
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
    (Text(&["<?xml", "<error"], ""), "an XML file, such as a server's error message", "read what it says, and download the model again"),
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

/// The error that names what is at `path`, if that is recognised and no ONNX model.
pub fn of_path(path: &Path) -> Option<Error> {
    match path.is_dir() {
        true => of_folder(path),
        false => Sample::read(path).ok()?.named(path),
    }
}

/// The error that names what `bytes` are, those of a file called `path`.
pub fn of_bytes(bytes: &[u8], path: &Path) -> Option<Error> {
    let end = bytes.len().saturating_sub(SAMPLE as usize);
    let sample = Sample {
        start: bytes[..bytes.len().min(SAMPLE as usize)].into(),
        end: bytes[end..].into(),
        size: bytes.len() as u64,
    };
    sample.named(path)
}

/// What the file at `path` is called and what to do with it, if it is recognised: the end of a sentence.
pub fn described(path: &Path) -> Option<String> {
    let (_, name, remedy) = Sample::read(path).ok()?.format()?;
    Some(format!("{name}: {remedy}"))
}

/// What the file at `path` is called, if it is recognised.
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

/// A folder is never a model; one with ONNX files says which.
fn of_folder(path: &Path) -> Option<Error> {
    let listed = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.take(MOST_ENTRIES).map(|entry| entry.file_name());
        let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
        names.sort();
        names
    };
    let names = listed(path);
    let inner = listed(&path.join("onnx"));
    let inner = inner.into_iter().map(|name| format!("onnx/{name}"));
    let mut models = names.iter().cloned().chain(inner);
    if let Some(model) = models.find(|name| name.to_lowercase().ends_with(".onnx")) {
        let remedy = format!("name the file in it, {}", printable(&model));
        return Some(error(path, "a folder", remedy));
    }
    let fits = |(mark, ..): &&(Mark, &str, &str)| match mark {
        Folder(ending) => ending.is_empty() || names.iter().any(|name| name.ends_with(ending)),
        _ => false,
    };
    let (_, name, remedy) = FORMATS.iter().find(fits)?;
    Some(error(path, name, (*remedy).into()))
}

/// What is looked at of a file.
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
            At(place, bytes) => self
                .start
                .get(*place..)
                .is_some_and(|rest| rest.starts_with(bytes)),
            Entry(ending) => self.entries().any(|name| name.ends_with(ending.as_bytes())),
            Text(words, further) => self.is_text(words, further),
            Test(test) => test(self),
            Folder(_) => false,
        }
    }

    /// Names of a zip archive's entries, as far as they are in the sample: from local headers and from the directory.
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
                let places =
                    (0..bytes.len()).filter(move |&place| bytes[place..].starts_with(signature));
                places.filter_map(move |place| {
                    let header = &bytes[place..];
                    let length =
                        u16::from_le_bytes(header.get(length..length + 2)?.try_into().ok()?);
                    header.get(name..name + usize::from(length))
                })
            })
    }

    fn is_text(&self, words: &[&str], further: &str) -> bool {
        // The sample may end within a character.
        let known = match std::str::from_utf8(&self.start) {
            Ok(text) => text,
            Err(problem) if problem.error_len().is_none() => {
                let valid = &self.start[..problem.valid_up_to()];
                std::str::from_utf8(valid).unwrap_or_default()
            }
            Err(_) => return false,
        };
        let is_plain = |c: char| !c.is_control() || c.is_ascii_whitespace();
        let text = known.trim_start_matches('\u{feff}').trim_start();
        let begins = |word: &&str| {
            let start = text.get(..word.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        known.chars().all(is_plain) && words.iter().any(begins) && text.contains(further)
    }

    fn is_zero(&self) -> bool {
        self.start.iter().chain(&self.end).all(|&byte| byte == 0)
    }

    /// Protocols 2 to 5 begin with their number, and every pickle ends with a full stop.
    fn is_pickle(&self) -> bool {
        matches!(self.start[..], [0x80, 2..=5, ..]) && self.end.last() == Some(&b'.')
    }

    /// A JSON header behind its length.
    fn is_safetensors(&self) -> bool {
        let length = self
            .start
            .first_chunk()
            .map(|bytes| u64::from_le_bytes(*bytes));
        length.is_some_and(|length| length < self.size) && self.start[8..].starts_with(b"{")
    }

    /// Its version, then its only graph, to the end of the file.
    fn is_saved_model(&self) -> bool {
        let graph = self.start.strip_prefix(b"\x08\x01\x12").and_then(varint);
        graph.is_some_and(|(length, rest)| {
            let head = (self.start.len() - rest.len()) as u64;
            head.checked_add(length) == Some(self.size)
        })
    }

    /// Its version, then a description that begins with that of an input.
    fn is_core_ml(&self) -> bool {
        let [8, 1..=20, 0x12, rest @ ..] = &self.start[..] else {
            return false;
        };
        varint(rest).is_some_and(|(_, rest)| rest.starts_with(b"\x0a"))
    }

    /// Blocks, the first of which has number 0.
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

/// A protocol buffer's number, and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().take(9).position(|byte| byte & 0x80 == 0)? + 1;
    let digits = bytes[..length].iter().rev();
    let number = digits.fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f));
    Some((number, &bytes[length..]))
}

/// A protocol buffer's field with this tag, if that is a text of printable characters, and what follows it.
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
