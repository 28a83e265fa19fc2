//! What lies beside a model, what its file states of itself, and photos of any shape and state: as a user meets them.

use assert_cmd::Command;
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::Value;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;
use ziggurat::onnx::proto::StringStringEntryProto;
use ziggurat::onnx::shapes::{fixed, untyped};
use ziggurat::onnx::{Builder, Elem, file};

/// A folder of its own, with the home that all tests of the checkout share.
struct Desk {
    folder: tempfile::TempDir,
}

/// What a command printed.
struct Printed {
    result: String,
    remarks: String,
}

impl Desk {
    fn new() -> Self {
        ziggurat::runtime::testing::library();
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().into()
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// `model.onnx`: the averages of the three channels of a picture of 32 × 32 pixels are the scores of three classes.
    fn model(&self, metadata: &[(&str, &str)]) -> String {
        let mut builder = Builder::empty(18, "t/");
        builder
            .input("x", Elem::F32, &fixed(&[1, 3, 32, 32]))
            .unwrap();
        let sides = |side: i64| vec![side, side].into();
        let windows = [("kernel_shape", sides(2)), ("strides", sides(2))];
        let smaller = builder.emit("AveragePool", &["x"], &windows);
        builder
            .emit_named("relu", "Relu", &[&smaller], &[])
            .unwrap();
        let mean = builder.emit("GlobalAveragePool", &["relu"], &[]);
        builder
            .emit_named("scores", "Flatten", &[&mean], &[])
            .unwrap();
        let mut model = builder.graph().to_model(&[untyped("scores")]).unwrap();
        let entry = |&(key, value): &(&str, &str)| StringStringEntryProto {
            key: key.into(),
            value: value.into(),
        };
        model.metadata_props = metadata.iter().map(entry).collect();
        let path = self.path("model.onnx");
        file::write(model, Path::new(&path), None).unwrap();
        path
    }

    fn photo(&self, name: &str, photo: &RgbImage) -> String {
        photo.save(self.path(name)).unwrap();
        self.path(name)
    }
}

fn ziggurat(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ziggurat"));
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-home");
    if std::env::var_os("ZIGGURAT_HOME").is_none_or(|root| root.is_empty()) {
        command.env("ZIGGURAT_HOME", home);
    }
    command.args(arguments);
    command
}

fn printed(arguments: &[&str]) -> Printed {
    let done = ziggurat(arguments).assert().success();
    let text = |bytes: &[u8]| String::from_utf8(bytes.into()).unwrap();
    Printed {
        result: text(&done.get_output().stdout),
        remarks: text(&done.get_output().stderr),
    }
}

/// What `doctor` found of a model.
fn examined(model: &str) -> Value {
    let found: Value = serde_json::from_str(&printed(&["doctor", model, "--json"]).result).unwrap();
    found["model"].clone()
}

/// The name of the class that `classify` puts first.
fn first(model: &str, photo: &str) -> String {
    let line: Value =
        serde_json::from_str(&printed(&["classify", model, photo, "--json"]).result).unwrap();
    line["top"][0]["name"].as_str().unwrap().into()
}

fn solid(colour: [u8; 3]) -> RgbImage {
    RgbImage::from_pixel(32, 32, Rgb(colour))
}

#[test]
fn what_a_file_states_of_its_input_is_followed() {
    let desk = Desk::new();
    let red = desk.photo("red.png", &solid([255, 0, 0]));
    let model = desk.model(&[]);
    assert!(
        printed(&["layers", &model])
            .remarks
            .contains("nobody says how its pictures are prepared")
    );
    assert_eq!(examined(&model)["classes_source"], "nobody");

    for (format, range, expected, white) in [
        ("Rgb8", "NominalRange_0_255", "apple", 255.0),
        ("Bgr8", "NominalRange_0_255", "scab", 255.0),
        ("Bgra8", "Normalized_0_1", "scab", 1.0),
        ("Rgba8", "Normalized_1_1", "apple", 1.0),
        ("Bgr8", "NominalRange_16_235", "scab", 235.0),
    ] {
        let model = desk.model(&[
            ("Image.BitmapPixelFormat", format),
            ("Image.NominalPixelRange", range),
            ("Image.ColorSpaceGamma", "SRGB"),
        ]);
        desk.put("labels.txt", "apple\r\nbruise\r\nscab\r\n");
        assert_eq!(first(&model, &red), expected, "{format}");
        assert!(!printed(&["layers", &model]).remarks.contains("nobody"));
        let found = examined(&model);
        assert_eq!(found["classes_source"], "labels.txt");
        assert_eq!(found["class_names"][1], "bruise");
        assert_eq!(found["size_source"], "the network itself");
        let top = found["black_and_white"][0][1].as_f64().unwrap();
        assert!((top - white).abs() < 1e-3, "{range}: {top}");
        let source = "Image.NominalPixelRange, order of colours Image.BitmapPixelFormat";
        assert_eq!(found["preprocessing_source"], source);
        let shown = printed(&["doctor", &model]).result;
        assert!(
            shown.contains(source) && shown.contains("named by labels.txt: apple; bruise; scab"),
            "{shown}"
        );
    }
}

#[test]
fn a_card_comes_before_all_that_is_stated_elsewhere() {
    let desk = Desk::new();
    let red = desk.photo("red.png", &solid([255, 0, 0]));
    let model = desk.model(&[
        ("Image.BitmapPixelFormat", "Bgr8"),
        ("character", "0\n90\n180"),
    ]);
    desk.put("labels.txt", "a\nb\nc");
    assert_eq!(first(&model, &red), "180");
    assert_eq!(examined(&model)["classes_source"], "character");
    desk.put(
        "model.toml",
        "[classes]\nnames = ['0: x', '1: y', '2: z']\n[preprocessing]\nmean = [0]\nstd = [1]\n[output]\nactivation = 'sigmoid'",
    );
    assert_eq!(first(&model, &red), "x");
    let found = examined(&model);
    for key in [
        "classes_source",
        "preprocessing_source",
        "activation_source",
    ] {
        assert_eq!(found[key], "its card", "{key}");
    }
    assert_eq!(found["activation"], "sigmoid");
}

#[test]
fn timm_and_hugging_face_leave_a_description() {
    let desk = Desk::new();
    let model = desk.model(&[]);
    desk.put(
        "config.json",
        r#"{"architecture": "resnet18", "label_names": ["n1", "n2", "n3"], "label_descriptions": {"n1": "tench", "n2": "ray", "n3": "cock"},
            "pretrained_cfg": {"input_size": [3, 32, 32], "crop_pct": 0.95, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}"#,
    );
    let found = examined(&model);
    assert_eq!(
        found["class_names"],
        serde_json::json!(["tench", "ray", "cock"])
    );
    assert_eq!(found["preprocessing_source"], "config.json");
    assert_eq!(found["black_and_white"][0], serde_json::json!([-1.0, 1.0]));
    assert!((found["preprocessing"]["crop"].as_f64().unwrap() - 0.95).abs() < 1e-6);

    desk.put(
        "config.json",
        r#"{"problem_type": "multi_label_classification", "id2label": {"0": "person", "1": "dog", "2": "cat"}}"#,
    );
    let found = examined(&model);
    assert_eq!(found["class_names"][2], "cat");
    assert_eq!(
        (&found["activation"], &found["activation_source"]),
        (&"sigmoid".into(), &"config.json".into())
    );
    assert!(
        printed(&["doctor", &model])
            .result
            .contains("activation sigmoid (says config.json)")
    );
}

#[test]
fn lists_that_do_not_fit_are_not_heeded_and_that_is_said() {
    let desk = Desk::new();
    let model = desk.model(&[("Image.ColorSpaceGamma", "Linear")]);
    desk.put("labels.txt", "a\nb");
    let remarks = printed(&["layers", &model]).remarks;
    assert!(
        remarks.contains("model: labels.txt has 2 class names, but the model has 3 classes"),
        "{remarks}"
    );
    assert!(remarks.contains("linear light"), "{remarks}");
    // The next one fits.
    desk.put("yolo.names", "0 a\n1 b\n2 c\n");
    let found = examined(&model);
    assert_eq!(
        (&found["classes_source"], &found["class_names"][2]),
        (&"yolo.names".into(), &"c".into())
    );
}

/// Brightness of a pixel.
fn heat(picture: &RgbImage, (x, y): (u32, u32)) -> u32 {
    picture
        .get_pixel(x, y)
        .0
        .iter()
        .map(|&part| u32::from(part))
        .sum()
}

#[test]
fn cam_maps_all_of_a_photo_at_its_own_size() {
    let desk = Desk::new();
    let model = desk.model(&[
        ("Image.NominalPixelRange", "Normalized_0_1"),
        ("names", "['red', 'green', 'blue']"),
    ]);
    // A red spot near each end in turn, and in the middle, of wide, high and square photos.
    for (width, height) in [
        (300, 100),
        (100, 300),
        (1000, 60),
        (120, 110),
        (90, 90),
        (32, 32),
        (17, 40),
    ] {
        for spot in [0.08, 0.5, 0.92] {
            let (x, y) = (
                (f64::from(width) * spot) as u32,
                (f64::from(height) * spot) as u32,
            );
            let radius = (width.min(height) / 8).max(2);
            let photo = RgbImage::from_fn(width, height, |column, row| {
                let is_spot = column.abs_diff(x) <= radius && row.abs_diff(y) <= radius;
                if is_spot {
                    Rgb([255, 0, 0])
                } else {
                    Rgb([0; 3])
                }
            });
            let (photo, out) = (desk.photo("photo.png", &photo), desk.path("map.png"));
            let remarks = printed(&[
                "cam",
                &model,
                &photo,
                "--target",
                "red",
                "--out",
                &out,
                "--provider",
                "cpu",
            ])
            .remarks;
            let is_long = width.max(height) >= 2 * width.min(height);
            assert!(
                !is_long || remarks.contains("overlapping views"),
                "{width} × {height}: {remarks}"
            );
            let map = image::open(&out).unwrap().into_rgb8();
            assert_eq!(map.dimensions(), (width, height));
            let cold = if spot < 0.5 {
                (width - 1, height - 1)
            } else {
                (0, 0)
            };
            // What is cropped away at the short side takes the values beside it.
            assert!(
                heat(&map, (x, y)) > heat(&map, cold) + 200,
                "{width} × {height}, {spot}"
            );
        }
    }
    let remarks = printed(&["classify", &model, &desk.path("photo.png")]).remarks;
    assert!(
        remarks.contains("the network sees only the central 15 × 15 of 17 × 40 pixels"),
        "{remarks}"
    );
    let square = desk.photo("square.png", &solid([9, 9, 9]));
    assert_eq!(printed(&["classify", &model, &square]).remarks, "");
}

#[test]
fn cam_writes_into_a_folder() {
    let desk = Desk::new();
    let model = desk.model(&[]);
    let photo = desk.photo("cat.png", &solid([200, 10, 10]));
    let out = desk.path("maps/");
    printed(&["cam", &model, &photo, "--target", "class 0", "--out", &out]);
    assert!(Path::new(&desk.path("maps/cat-class-0.png")).is_file());
}

#[test]
fn photos_that_end_early_are_errors_that_say_what_could_be_read() {
    let desk = Desk::new();
    let model = desk.model(&[]);
    let photo = RgbImage::from_fn(120, 90, |x, y| {
        Rgb([(x * 2) as u8, (y * 2) as u8, (x * y % 251) as u8])
    });
    for (format, expected) in [
        (ImageFormat::Jpeg, "of 90 rows could be read"),
        (ImageFormat::Png, "of 90 rows could be read"),
        (ImageFormat::WebP, "bytes are there"),
    ] {
        let mut bytes = Cursor::new(Vec::new());
        photo.write_to(&mut bytes, format).unwrap();
        let bytes = bytes.into_inner();
        let path = desk.put("cut.jpg", &bytes[..bytes.len() * 3 / 5]);
        for arguments in [
            &["classify", &model, &path][..],
            &[
                "cam",
                &model,
                &path,
                "--target",
                "0",
                "--out",
                &desk.path("no.png"),
            ],
        ] {
            let failed = ziggurat(arguments).assert().code(1);
            let text = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
            let last = text.lines().last().unwrap();
            assert!(
                last.contains("the file ends early: ") && last.contains(expected),
                "{text}"
            );
        }
    }
    assert!(!Path::new(&desk.path("no.png")).exists());
}

#[test]
fn nothing_is_said_of_cuda_where_there_is_no_device_for_it() {
    let desk = Desk::new();
    let model = desk.model(&[("Image.NominalPixelRange", "Normalized_0_1")]);
    let photo = desk.photo("photo.png", &solid([1, 2, 3]));
    let remarks = printed(&["classify", &model, &photo]).remarks;
    let is_free =
        !remarks.to_lowercase().contains("cuda") && !remarks.contains("running on the CPU");
    assert!(
        is_free || ziggurat::runtime::nvidia::is_expected(),
        "{remarks}"
    );
    assert!(printed(&["doctor"]).result.contains("cuda:0"));
}

/// The last line on standard error of a command that fails.
fn complaint(arguments: &[&str]) -> String {
    let failed = ziggurat(arguments).timeout(PATIENCE).assert().failure();
    let text = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
    text.lines().last().unwrap_or_default().into()
}

/// How long a command may take that has nothing to do.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
#[cfg(unix)]
fn what_is_no_regular_file_is_named_and_not_waited_for() {
    let desk = Desk::new();
    let (model, pipe) = (desk.model(&[]), desk.path("pipe.png"));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let out = desk.path("out.png");
    for arguments in [
        &["classify", &model, &pipe][..],
        &["layers", &model, "--photo", &pipe],
        &["cam", &model, &pipe, "--target", "0", "--out", &out],
        &[
            "gradient", &model, "--target", "0", "--input", &pipe, "--output", &out,
        ],
        &["layers", &pipe],
    ] {
        let said = complaint(arguments);
        assert!(
            said.contains("a pipe, not a regular file") && said.contains(&pipe),
            "{said}"
        );
    }
    let said = complaint(&["classify", &model, "/dev/zero"]);
    assert!(
        said.contains("/dev/zero: a device, not a regular file"),
        "{said}"
    );
}

#[test]
#[cfg(unix)]
fn whatever_a_file_is_called_its_name_steers_nothing_and_it_is_found() {
    use std::os::unix::ffi::OsStrExt;
    let desk = Desk::new();
    let model = desk.model(&[]);
    let red = solid([255, 0, 0]);
    let path = desk.photo("a\u{202e}b\u{2066}\u{1b}[2J\n.png", &red);
    let out = desk.path("out.png");
    let harmless = |text: &str| {
        let shown = text.contains("a\\u{202e}b\\u{2066}\\u{1b}[2J");
        shown && !text.contains(['\u{202e}', '\u{2066}', '\u{1b}'])
    };
    for arguments in [
        &["classify", &model, &path][..],
        &["layers", &model, "--photo", &path],
    ] {
        let text = printed(arguments).result;
        assert!(harmless(&text), "{text}");
    }
    let json = printed(&["classify", &model, &path, "--json"]).result;
    assert!(
        json.contains("\\u202e") && !json.contains('\u{202e}'),
        "{json}"
    );
    let line: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(line["image"], path.as_str());
    printed(&["cam", &model, &path, "--target", "0", "--out", &out]);
    fs::remove_file(&path).unwrap();
    let said = complaint(&["classify", &model, &path]);
    assert!(harmless(&said) && said.contains("No such file"), "{said}");

    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
    let path = Path::new(&desk.path("")).join(name);
    red.save(&path).unwrap();
    let done = ziggurat(&["classify", &model])
        .arg(&path)
        .assert()
        .success();
    let text = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(text.contains("caf\u{fffd}.png"), "{text}");
}

#[test]
fn what_is_empty_or_slightly_wrong_on_the_command_line_is_named() {
    let desk = Desk::new();
    let model = desk.model(&[]);
    let photo = desk.photo("photo.png", &solid([1, 2, 3]));
    let layer = complaint(&["layers", &model, "--photo", &photo, "--layer", "relu:3"]);
    assert!(
        layer.ends_with("lists them; did you mean `relu`?"),
        "{layer}"
    );
    for arguments in [
        &["layers", &model, "--photo", ""][..],
        &["layers", ""],
        &["layers", &model, "--photo", &photo, "--layer", ""],
        &["classify", "", &photo],
        &["cam", &model, &photo, "--target", "", "--out", &photo],
    ] {
        let said = complaint(arguments);
        assert!(
            said.contains("a value is required for"),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn what_lies_beside_a_model_and_is_not_heeded_is_named() {
    let desk = Desk::new();
    let model = desk.model(&[]);
    desk.put("preprocessor_config.json", r#"{"rescale_factor": 1e39}"#);
    desk.put("config.json", r#"{"id2label": {"0": "a", "0": "b"}}"#);
    fs::create_dir(desk.path("labels.txt")).unwrap();
    let remarks = printed(&["layers", &model]).remarks;
    for expected in [
        "preprocessor_config.json is not heeded: rescale_factor 1e39 is not from",
        "config.json: id2label is not heeded",
        "labels.txt is not heeded: a folder",
    ] {
        assert!(remarks.contains(expected), "{remarks}");
    }
}
