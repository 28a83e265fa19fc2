//! The program as a user meets it: every subcommand, and what it says to bad input.

use assert_cmd::Command;
use image::{Rgb, RgbImage};
use ndarray::{Array4, s};
use ndarray_npy::{read_npy, write_npy};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use ziggurat::model::{ModelFile, ModelSource};
use ziggurat::onnx::proto::Dim;
use ziggurat::onnx::types::{fixed_dims, untyped_value};
use ziggurat::onnx::{Builder, ElementType, file};
use ziggurat::runtime::{Options, Provider, Session, Tensor, package, testing};

const MODEL: &str = "efficientnet-lite0";

/// The program, in the home that all tests of the checkout share, so that nothing is fetched twice.
fn ziggurat(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ziggurat"));
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-home");
    if std::env::var_os("ZIGGURAT_HOME").is_none_or(|root| root.is_empty()) {
        command.env("ZIGGURAT_HOME", home);
    }
    command.args(arguments);
    command
}

/// What it prints if all goes well.
fn output(arguments: &[&str]) -> String {
    let done = ziggurat(arguments).assert().success();
    String::from_utf8(done.get_output().stdout.clone()).unwrap()
}

/// Its lines of JSON.
fn objects(arguments: &[&str]) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap();
    output(arguments).lines().map(parse).collect()
}

/// Its complaint, which must be the last line of standard error, with nothing on standard output.
fn complaint(status: i32, arguments: &[&str]) -> String {
    let failed = ziggurat(arguments).assert().code(status);
    let out = failed.get_output();
    assert!(out.stdout.is_empty(), "{arguments:?} printed a result");
    let text = String::from_utf8(out.stderr.clone()).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("ziggurat: "))
        .collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert_eq!(text.lines().last(), Some(lines[0]), "{text}");
    lines[0].to_string()
}

/// A folder with a picture, an input and models that are none.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let desk = Self { folder };
        pattern().save(desk.path("picture.png")).unwrap();
        desk
    }

    fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().unwrap().to_string()
    }

    fn exists(&self, name: &str) -> bool {
        Path::new(&self.path(name)).exists()
    }

    /// Names of all files, the hidden ones too.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into())
            .collect();
        files.sort();
        files
    }
}

/// Ramps of red and green over rings of blue.
fn pattern() -> RgbImage {
    RgbImage::from_fn(300, 260, |x, y| {
        Rgb([
            (x * 255 / 300) as u8,
            (y * 255 / 260) as u8,
            ((x * x + y * y) / 64 % 256) as u8,
        ])
    })
}

fn model_file() -> ModelFile {
    let source = ModelSource::resolve(&testing::home(), Some(MODEL)).unwrap();
    source.open(&testing::home(), &package::quiet).unwrap()
}

/// Two inputs that look like noise.
fn inputs() -> Array4<f32> {
    let mut state = 1u32;
    Array4::from_shape_simple_fn((2, 3, 224, 224), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

#[test]
fn classify_ranks_the_classes_of_each_picture() {
    let desk = Desk::new();
    let picture = desk.path("picture.png");
    let lines = objects(&["classify", MODEL, &picture, &picture, "--json"]);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], lines[1]);
    assert_eq!(lines[0]["image"], picture.as_str());
    let top = lines[0]["top"].as_array().unwrap();
    assert_eq!(top.len(), 5);
    let probabilities: Vec<f64> = top
        .iter()
        .map(|entry| entry["probability"].as_f64().unwrap())
        .collect();
    assert!(probabilities.is_sorted_by(|a, b| a >= b));
    assert!(probabilities.iter().sum::<f64>() <= 1.0);
    let keys: Vec<&String> = top[0].as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 3);
    let index = top[0]["index"].to_string();
    assert!(output(&["classes", MODEL]).lines().any(|line| {
        line.trim_start().starts_with(&index) && line.ends_with(top[0]["name"].as_str().unwrap())
    }));

    let all = objects(&[
        "classify",
        &picture,
        "--top",
        "5000",
        "--json",
        "--provider",
        "cpu",
    ]);
    let all = all[0]["top"].as_array().unwrap();
    assert_eq!(all.len(), 1000);
    let total: f64 = all
        .iter()
        .map(|entry| entry["probability"].as_f64().unwrap())
        .sum();
    assert!((total - 1.0).abs() < 1e-4);

    let table = output(&["classify", MODEL, &picture, "--top", "3"]);
    assert_eq!(table.lines().count(), 4);
    assert!(table.contains(top[2]["name"].as_str().unwrap()));
}

/// Along its own direction a gradient is as steep as it is long.
#[test]
fn gradient_is_the_slope_of_the_logit() {
    let desk = Desk::new();
    let (input, gradient) = (desk.path("x.npy"), desk.path("g.npy"));
    let x = inputs();
    write_npy(&input, &x).unwrap();
    output(&[
        "gradient",
        MODEL,
        "--target",
        "flamingo",
        "--input",
        &input,
        "--output",
        &gradient,
        "--provider",
        "cpu",
    ]);
    let g: Array4<f32> = read_npy(&gradient).unwrap();
    assert_eq!(g.dim(), x.dim());

    testing::library();
    let bytes = fs::read(model_file().path).unwrap();
    let mut session = Session::open(&bytes, Provider::Cpu, &Options::default()).unwrap();
    let mut logit = |image: Array4<f32>| {
        let image = Tensor::from(image);
        let logits = session
            .run(&[("image", &image)], &["logits"])
            .unwrap()
            .remove(0);
        f64::from(logits.as_f32().unwrap()[[0, 130]])
    };
    for run in 0..2 {
        let one = x.slice(s![run..run + 1, .., .., ..]).to_owned();
        let slope = g.slice(s![run..run + 1, .., .., ..]).to_owned();
        let length = slope
            .iter()
            .map(|&value| f64::from(value).powi(2))
            .sum::<f64>()
            .sqrt();
        assert!(length > 0.0);
        let step = &slope * (0.02 / length) as f32;
        let measured = (logit(&one + &step) - logit(&one - &step)) / 0.04;
        assert!(
            (measured / length - 1.0).abs() < 0.05,
            "{measured} along it, {length} long"
        );
    }
    let files = desk.files();
    assert_eq!(files.len(), 3, "{files:?}");
}

#[test]
fn gradient_of_a_neuron_is_local() {
    let desk = Desk::new();
    let (input, gradient) = (desk.path("x.npy"), desk.path("g.npy"));
    write_npy(&input, &inputs().slice(s![..1, .., .., ..]).to_owned()).unwrap();
    output(&[
        "gradient",
        MODEL,
        "--target",
        "stem/conv:3:10,20",
        "--input",
        &input,
        "--output",
        &gradient,
    ]);
    let g: Array4<f32> = read_npy(&gradient).unwrap();
    // A 3 × 3 convolution of stride 2 sees rows 20 to 22 and columns 40 to 42, or one less.
    for ((_, _, y, x), value) in g.indexed_iter() {
        let near = (19..=22).contains(&y) && (39..=42).contains(&x);
        assert!(near || *value == 0.0, "{y},{x}: {value}");
    }
    assert!(g.iter().any(|value| *value != 0.0));
}

#[test]
fn cam_lays_a_map_over_the_entire_picture() {
    let desk = Desk::new();
    let picture = desk.path("picture.png");
    let maps: Vec<RgbImage> = ["flamingo", "644", "blocks.10/expand/conv:7"]
        .iter()
        .enumerate()
        .map(|(number, target)| {
            let out = desk.path(&format!("map{number}.png"));
            output(&["cam", MODEL, &picture, "--target", target, "--out", &out]);
            image::open(out).unwrap().into_rgb8()
        })
        .collect();
    assert!(maps.iter().all(|map| map.dimensions() == (300, 260)));
    assert_ne!(maps[0], maps[1]);
    assert_ne!(maps[1], maps[2]);
    let why = complaint(
        2,
        &[
            "cam",
            MODEL,
            &picture,
            "--target",
            "stem/conv",
            "--out",
            &desk.path("no.png"),
        ],
    );
    assert!(
        why.contains("has no class activation map") && !desk.exists("no.png"),
        "{why}"
    );
}

#[test]
fn cam_takes_other_methods_and_other_layers() {
    let desk = Desk::new();
    let (picture, out) = (desk.path("picture.png"), desk.path("map.png"));
    let map = |target: &str, more: &[&str]| {
        let arguments = ["cam", MODEL, &picture, "--target", target, "--out", &out];
        output(&[&arguments, more].concat());
        image::open(&out).unwrap().into_rgb8()
    };
    let plain = map("flamingo", &[]);
    // Behind pooling and one linear layer, CAM is Grad-CAM but for a scale, which the colours do not show.
    let cam = map("flamingo", &["--method", "cam"]);
    let rounding = |a: &u8, b: &u8| a.abs_diff(*b) <= 1;
    assert!(plain.iter().zip(cam.iter()).all(|(a, b)| rounding(a, b)));
    for method in ["grad-cam++", "layer-cam"] {
        assert_ne!(map("flamingo", &["--method", method]), plain, "{method}");
    }
    let layer = ["--layer", "blocks.10/expand/conv"];
    assert_ne!(map("flamingo", &layer), plain);
    // A neuron has a map at a layer before it.
    map("head/conv:5:2,2", &layer);

    let no = desk.path("no.png");
    let why = |more: &[&str]| {
        let arguments = ["cam", MODEL, &picture, "--target", "130", "--out", &no];
        complaint(2, &[&arguments, more].concat())
    };
    assert!(why(&["--method", "gradcam"]).contains("grad-cam, grad-cam++, layer-cam"));
    assert!(why(&["--layer", "blocks.10/expand/cov"]).contains("did you mean"));
    assert!(why(&["--layer", "logits"]).contains("no rows and columns"));
    let linear = why(&["--method", "cam", "--layer", "blocks.10/expand/conv"]);
    assert!(linear.contains("use grad-cam"), "{linear}");
    assert!(!desk.exists("no.png"));
}

#[test]
fn options_for_a_models_inputs_and_outputs_are_checked() {
    for (more, expected) in [
        (&["--feed", "scale"][..], "expected NAME=NUMBER"),
        (&["--feed", "scale=1"], "no further input called"),
        (&["--image-input", "picture"], "none of its inputs"),
        (
            &["--scores-output", "scores"],
            "\"scores\" is not an output; outputs: \"logits\"",
        ),
    ] {
        let status = if expected.starts_with("expected") {
            2
        } else {
            1
        };
        let why = complaint(status, &[&["layers", MODEL], more].concat());
        assert!(why.contains(expected), "{why}");
    }
    output(&["layers", MODEL, "--scores-output", "logits"]);
}

#[test]
fn layers_and_classes_are_listed() {
    let layers = objects(&["layers", MODEL, "--json"]);
    let stem = &layers[0];
    assert_eq!(stem["name"], "stem/conv");
    assert_eq!(stem["op"], "Conv");
    assert_eq!(stem["shape"], serde_json::json!([1, 32, 112, 112]));
    assert_eq!(stem["channels"], 32);
    assert_eq!(stem["grid"], serde_json::json!([112, 112]));
    assert_eq!(stem["differentiable"], true);
    assert_eq!(stem["why"], Value::Null);
    assert_eq!(output(&["layers"]).lines().count(), layers.len());
    assert!(objects(&["layers", MODEL, "--all", "--json"]).len() > layers.len());

    assert_eq!(objects(&["classes", MODEL, "--json"]).len(), 1000);
    let flamingo = vec![serde_json::json!({"index": 130, "name": "flamingo"})];
    for wanted in [&[MODEL, "FLAMING"][..], &["flamingo"], &["130"]] {
        let arguments = [&["classes", "--json"], wanted].concat();
        assert_eq!(objects(&arguments), flamingo, "{wanted:?}");
    }
    assert_eq!(output(&["classes", "tigershark"]).trim(), "3  tiger shark");
}

#[test]
fn layers_ranks_the_channels_that_a_photo_activates_most() {
    let desk = Desk::new();
    let picture = desk.path("picture.png");
    let of_all = objects(&["layers", MODEL, "--photo", &picture, "--json"]);
    let layers = objects(&["layers", MODEL, "--json"]);
    assert_eq!(of_all.len(), 3 * layers.len());
    let layer = "blocks.10/expand/relu6";
    let given = ["layers", MODEL, "--photo", &picture, "--layer", layer];
    let lines = objects(&[&given[..], &["--json", "--photo", &picture]].concat());
    assert_eq!(lines.len(), 20);
    assert_eq!(lines[..10], lines[10..]);
    // Sessions of other layers round otherwise.
    let channels = |lines: &[Value]| -> Vec<Value> {
        lines.iter().map(|line| line["channel"].clone()).collect()
    };
    let same: Vec<Value> = of_all
        .iter()
        .filter(|line| line["layer"] == layer)
        .cloned()
        .collect();
    assert_eq!(channels(&same), channels(&lines[..3]));
    assert_eq!(lines[0]["photo"], picture.as_str());
    let number = |line: &Value, key: &str| line[key].as_f64().unwrap();
    assert!(lines[..10].is_sorted_by(|a, b| number(a, "mean") >= number(b, "mean")));

    // What is printed is a target that can be run.
    let table = output(&[&given[..], &["--top", "2", "--rank", "maximum"]].concat());
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3);
    let (target, rest) = lines[1].trim().split_once(' ').unwrap();
    let (_, at) = rest.split_once(" at ").unwrap();
    let neuron = format!("{target}:{at}");
    let out = desk.path("neuron.png");
    output(&[
        "run",
        &neuron,
        "--steps",
        "1",
        "--out",
        &out,
        "--graphics",
        "none",
    ]);

    let logits = objects(&[
        "layers", "--photo", &picture, "--layer", "logits", "--top", "1", "--json",
    ]);
    assert_eq!(logits[0]["at"], Value::Null);
    assert_eq!(logits[0]["mean"], logits[0]["maximum"]);
    let top = &objects(&["classify", MODEL, &picture, "--json"])[0]["top"][0]["index"];
    assert_eq!(&logits[0]["channel"], top);

    for (arguments, words) in [
        (&["layers", MODEL, "--layer", layer][..], "--photo"),
        (
            &["layers", MODEL, "--photo", &picture, "--layer", "blocks.10"],
            "blocks.10",
        ),
        (
            &["layers", MODEL, "--photo", &picture, "--rank", "size"],
            "by mean or by maximum",
        ),
    ] {
        let said = complaint(2, arguments);
        assert!(said.contains(words), "{said}");
    }
    let said = complaint(1, &["layers", MODEL, "--photo", &desk.path("no.png")]);
    assert!(said.contains("no.png"), "{said}");
}

#[test]
fn setup_says_what_is_there_and_where() {
    let first = output(&["setup"]);
    assert_eq!(first, output(&["setup", MODEL]));
    assert!(first.starts_with("ONNX Runtime 1."), "{first}");
    assert!(
        first
            .lines()
            .any(|line| line.starts_with("efficientnet-lite0: "))
    );
    assert!(
        complaint(2, &["setup", "efficientnet-lite9"]).contains("did you mean `efficientnet-lite")
    );
}

#[test]
fn doctor_tells_what_was_found() {
    output(&["setup"]);
    let found = objects(&["doctor", MODEL, "--json"]);
    assert_eq!(found.len(), 1);
    let found = &found[0];
    assert!(Path::new(found["library"]["path"].as_str().unwrap()).is_file());
    assert_eq!(found["providers"][0]["name"], "cpu");
    assert_eq!(found["providers"][0]["starts"], true);
    assert_eq!(found["model"]["classes"], 1000);
    assert_eq!(found["models"][0]["fetched"], true);
}

#[test]
fn a_model_that_leaves_its_pictures_size_open() {
    let desk = Desk::new();
    let path = desk.path("open.onnx");
    let mut builder = Builder::empty(18, "t/");
    let mut dims = fixed_dims(&[1, 3, 1, 1]);
    dims[2..].clone_from_slice(&["h", "w"].map(|side| Dim::DimParam(side.into())));
    builder.input("x", ElementType::F32, &dims).unwrap();
    builder.emit_named("relu", "Relu", &["x"], &[]).unwrap();
    builder
        .emit_named("scores", "GlobalAveragePool", &["relu"], &[])
        .unwrap();
    let model = builder
        .graph()
        .to_model(&[untyped_value("scores")])
        .unwrap();
    file::write(model, Path::new(&path), None).unwrap();

    let shape = |arguments: &[&str]| {
        let arguments = [&["layers", &path, "--json"], arguments].concat();
        objects(&arguments)[0]["shape"].clone()
    };
    assert_eq!(shape(&[]), serde_json::json!([1, 3, 224, 224]));
    assert_eq!(
        shape(&["--input-size", "6x8"]),
        serde_json::json!([1, 3, 6, 8])
    );
    let found = &objects(&["doctor", &path, "--json"])[0]["model"];
    assert_eq!(found["size_origin"], "nobody");
    assert!(output(&["doctor", &path]).contains("height and width assumed"));

    // An array of numbers says how large it is.
    let (input, gradient) = (desk.path("x.npy"), desk.path("g.npy"));
    write_npy(&input, &Array4::<f32>::ones((1, 3, 5, 4))).unwrap();
    output(&[
        "gradient", &path, "--target", "1", "--input", &input, "--output", &gradient,
    ]);
    let gradient: Array4<f32> = read_npy(gradient).unwrap();
    let expected = |channel| if channel == 1 { 1.0 / 20.0 } else { 0.0 };
    for ((_, channel, _, _), slope) in gradient.indexed_iter() {
        assert!(
            (slope - expected(channel)).abs() < 1e-6,
            "{channel}: {slope}"
        );
    }
    for wrong in ["0", "224x", "9000"] {
        ziggurat(&["layers", &path, "--input-size", wrong])
            .assert()
            .code(2);
    }
    let complaint = complaint(1, &["layers", MODEL, "--input-size", "96"]);
    assert!(
        complaint.contains("takes 224 × 224 pixels, not 96 × 96"),
        "{complaint}"
    );
}

#[test]
fn doctor_sums_a_model_up() {
    let desk = Desk::new();
    let path = desk.path("half.onnx");
    let mut builder = Builder::empty(18, "t/");
    builder
        .input("x", ElementType::F32, &fixed_dims(&[1, 3, 8, 8]))
        .unwrap();
    builder.emit_named("relu", "Relu", &["x"], &[]).unwrap();
    builder.emit_named("odd", "Det", &["relu"], &[]).unwrap();
    builder
        .emit_named("scores\u{1b}[2J", "Identity", &["odd"], &[])
        .unwrap();
    let model = builder
        .graph()
        .to_model(&[untyped_value("scores\u{1b}[2J")])
        .unwrap();
    file::write(model, Path::new(&path), None).unwrap();

    let found = &objects(&["doctor", &path, "--json"])[0]["model"];
    assert_eq!(found["opsets"][0]["domain"], "ai.onnx");
    assert_eq!(found["opsets"][0]["version"], 18);
    assert_eq!(found["inputs"][0]["element"], "float32");
    assert_eq!(found["preprocessing_origin"], "nobody");
    assert_eq!(found["inputs"][0]["layout"], "NCHW");
    assert_eq!(found["operators"]["Det"], 1);
    assert_eq!(found["refused"], Value::Null);
    assert_eq!(found["classes"], 3);
    assert_eq!(found["layers"], 3);
    assert_eq!(found["differentiable"], 1);
    assert_eq!(found["last"], "relu");
    assert_eq!(found["blocks"][0]["op"], "Det");
    assert_eq!(found["blocks"][0]["opset"], 18);

    let text = output(&["doctor", &path]);
    for said in [
        "made by     ziggurat",
        "float32 [1, 3, 8, 8] NCHW",
        "RGB, black -2.118 -2.036 -1.804, white 2.249 2.429 2.64, crop 0.875; says nobody, ImageNet's",
        "1 of 3 can be visualised, the last one relu",
        "(Det): no gradient rule",
    ] {
        assert!(text.contains(said), "{said} is not in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");

    // What cannot be visualised is told of as well.
    let tokens = desk.path("tokens.onnx");
    let mut builder = Builder::empty(18, "t/");
    builder
        .input("tokens", ElementType::I64, &fixed_dims(&[1, 8]))
        .unwrap();
    builder
        .emit_named("y", "Cast", &["tokens"], &[("to", 1i64.into())])
        .unwrap();
    let model = builder.graph().to_model(&[untyped_value("y")]).unwrap();
    file::write(model, Path::new(&tokens), None).unwrap();
    let text = output(&["doctor", &tokens]);
    assert!(
        text.contains("cannot be visualised: ") && text.contains("no image input"),
        "{text}"
    );
}

#[test]
fn doctor_fetches_nothing_and_succeeds_with_nothing() {
    let home = tempfile::tempdir().unwrap();
    let nowhere = |arguments: &[&str]| {
        let mut command = ziggurat(arguments);
        command
            .env("ZIGGURAT_HOME", home.path())
            .env_remove("ORT_DYLIB_PATH");
        command
    };
    let done = nowhere(&["doctor"]).assert().success();
    let text = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    assert!(text.contains("ziggurat setup"), "{text}");
    nowhere(&["doctor", MODEL]).assert().code(1);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);

    let broken = home.path().join("libonnxruntime.so");
    fs::write(&broken, "no library").unwrap();
    let done = nowhere(&["doctor"])
        .env("ORT_DYLIB_PATH", &broken)
        .assert()
        .success();
    assert!(
        String::from_utf8_lossy(&done.get_output().stdout)
            .contains("cannot be used as ONNX Runtime")
    );
}

#[test]
fn files_that_are_no_model_are_named() {
    let desk = Desk::new();
    let [missing, text, half, no_image, pointer] = [
        "missing.onnx",
        "text.onnx",
        "half.onnx",
        "tokens.onnx",
        "pointer.onnx",
    ]
    .map(|name| desk.path(name));
    fs::write(&text, "this is a text\n").unwrap();
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:4b\nsize 102442450\n";
    fs::write(&pointer, lfs).unwrap();
    let whole = fs::read(model_file().path).unwrap();
    fs::write(&half, &whole[..whole.len() / 2]).unwrap();
    let mut builder = Builder::empty(18, "t/");
    builder
        .input("tokens", ElementType::I64, &fixed_dims(&[1, 8]))
        .unwrap();
    let scores = builder.emit("Cast", &["tokens"], &[("to", 1i64.into())]);
    let model = builder.graph().to_model(&[untyped_value(&scores)]).unwrap();
    file::write(model, Path::new(&no_image), None).unwrap();

    let (picture, out) = (desk.path("picture.png"), desk.path("out.png"));
    let input = desk.path("x.npy");
    write_npy(&input, &inputs()).unwrap();
    for (model, why) in [
        (&missing, "no such model file"),
        (&text, "but a text file"),
        (&pointer, "but a Git LFS pointer: git lfs pull"),
        (
            &desk.path(""),
            "is not an ONNX model but a folder: name the file in it, \"",
        ),
        (&half, "half.onnx"),
        (&no_image, "no image input"),
    ] {
        for arguments in [
            &["layers", model][..],
            &["classes", model],
            &["classify", model, &picture],
            &["cam", model, &picture, "--target", "1", "--out", &out],
            &[
                "gradient", model, "--target", "1", "--input", &input, "--output", &out,
            ],
        ] {
            let said = complaint(1, arguments);
            assert!(
                said.contains(why) && said.contains(model),
                "{arguments:?}: {said}"
            );
        }
    }
    assert_eq!(desk.files().len(), 6);
}

#[test]
fn names_that_do_not_exist_are_usage_mistakes() {
    let desk = Desk::new();
    let (picture, out) = (desk.path("picture.png"), desk.path("out.png"));
    let cam = |target: &str| {
        complaint(
            2,
            &["cam", MODEL, &picture, "--target", target, "--out", &out],
        )
    };
    assert!(cam("flamigo").contains("did you mean `flamingo`"));
    assert!(cam("1000").contains("1000 classes, 0 to 999"));
    assert!(cam("stem/cnv:3").contains("did you mean `stem/conv`"));
    assert!(cam("stem/conv:32").contains("32 channels"));
    assert!(cam("stem/conv:x").contains("is no channel"));
    assert!(complaint(2, &["layers", "efficientnet-lit0"]).contains("did you mean"));
    assert!(complaint(2, &["classes", MODEL, "flamigoo"]).contains("flamingo"));
    assert!(
        complaint(2, &["classify", MODEL, &picture, "--provider", "gpu"])
            .contains("unknown provider")
    );
    assert!(complaint(2, &["classify", MODEL]).contains("expected MODEL IMAGE"));
    let script = desk.path("shot.sh");
    fs::write(&script, "#!/bin/sh").unwrap();
    assert!(
        complaint(2, &["classify", &script]).contains("shot.sh is not a PNG, JPEG or WebP file")
    );
    fs::remove_file(script).unwrap();
    assert_eq!(desk.files().len(), 1);
}

#[test]
fn the_first_word_is_a_command_or_a_model() {
    assert!(output(&[]).contains("ziggurat run flamingo"));
    for words in [
        &["histroy", "list"][..],
        &["histroy"],
        &["histroy", "--json"],
    ] {
        let told = complaint(2, words);
        let expected = "unknown command or model `histroy`; did you mean `history`?";
        assert!(told.ends_with(expected), "{told}");
    }
    assert!(complaint(2, &["efficientnet-lit0"]).contains("did you mean `efficientnet-lite0`"));
    let told = complaint(2, &["xyzzy"]);
    assert!(
        told.contains("unknown command or model `xyzzy`; see --help"),
        "{told}"
    );
    let told = complaint(2, &[MODEL, "list"]);
    assert!(!told.contains("unknown command"), "{told}");
}

#[test]
fn the_explorer_says_what_is_wrong_before_it_asks_for_a_terminal() {
    let desk = Desk::new();
    for (option, why) in [
        ("--theme", "unknown theme `pink`; available: "),
        (
            "--graphics",
            "unknown graphics protocol \"pink\"; available: kitty",
        ),
        ("--provider", "unknown provider `pink`"),
    ] {
        let told = complaint(2, &[option, "pink"]);
        assert!(told.contains(why), "{told}");
    }
    assert!(complaint(1, &[&desk.path("gone.onnx")]).contains("no such model file"));
    for fine in [&[MODEL][..], &["--theme", "dark"]] {
        assert!(complaint(1, fine).contains("the explorer needs a terminal"));
    }
}

#[test]
fn a_bad_picture_among_several_does_not_keep_the_others_from_their_results() {
    let desk = Desk::new();
    let [good, text, gone] = ["picture.png", "text.png", "gone.png"].map(|name| desk.path(name));
    fs::write(&text, "no picture").unwrap();
    let layer = ["--photo", &text, "--photo", &gone, "--photo", &good];
    for (arguments, lines) in [
        (
            vec!["classify", MODEL, &text, &good, &gone, &good, "--json"],
            2,
        ),
        (
            [
                &[
                    "layers",
                    MODEL,
                    "--layer",
                    "stem/conv",
                    "--top",
                    "3",
                    "--json",
                ],
                &layer[..],
            ]
            .concat(),
            3,
        ),
    ] {
        let failed = ziggurat(&arguments).assert().code(1);
        let out = failed.get_output();
        let text = String::from_utf8_lossy(&out.stdout);
        let shown: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(shown.len(), lines, "{text}");
        let text = String::from_utf8_lossy(&out.stderr);
        let told: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("ziggurat: "))
            .collect();
        assert_eq!(told.len(), 2, "{text}");
        assert!(told[0].contains("text.png") && told[0].contains("not a PNG, JPEG or WebP"));
        assert!(
            told[1].ends_with("gone.png: No such file or directory"),
            "{text}"
        );
    }
}

#[test]
fn a_heat_map_is_written_only_as_png_and_into_a_folder_that_exists() {
    let desk = Desk::new();
    let picture = desk.path("picture.png");
    let cam = |status, out: &str| {
        complaint(
            status,
            &["cam", &picture, "--target", "1", "--out", &desk.path(out)],
        )
    };
    assert!(cam(2, "map.jpg").contains("map.jpg: pictures are PNG files"));
    assert!(cam(2, "map").contains("let the name end in .png"));
    assert!(
        cam(1, "no/dir/map.png").ends_with(&format!("no such folder: {}", desk.path("no/dir")))
    );
    assert_eq!(desk.files().len(), 1);
}

#[test]
fn a_provider_that_cannot_start_is_an_error_and_nothing_is_written() {
    let desk = Desk::new();
    let (picture, out) = (desk.path("picture.png"), desk.path("out.png"));
    for arguments in [
        &["classify", MODEL, &picture][..],
        &["cam", MODEL, &picture, "--target", "1", "--out", &out],
    ] {
        let arguments = [arguments, &["--provider", "cuda:99"]].concat();
        let why = complaint(1, &arguments);
        assert!(why.contains("cuda:99 cannot start: "), "{why}");
    }
    assert_eq!(desk.files().len(), 1);
}

#[test]
fn inputs_and_outputs_that_do_not_fit_are_named() {
    let desk = Desk::new();
    let [input, doubles, small, text, cut, out] = [
        "x.npy",
        "f64.npy",
        "small.npy",
        "text.npy",
        "cut.npy",
        "g.npy",
    ]
    .map(|name| desk.path(name));
    write_npy(&input, &inputs()).unwrap();
    write_npy(&doubles, &Array4::<f64>::zeros((1, 3, 224, 224))).unwrap();
    write_npy(&small, &Array4::<f32>::zeros((1, 3, 200, 224))).unwrap();
    fs::write(&text, "1 2 3").unwrap();
    let whole = fs::read(&input).unwrap();
    fs::write(&cut, &whole[..whole.len() - 4]).unwrap();
    let before = desk.files();
    let gradient = |input: &str, out: &str| {
        complaint(
            1,
            &[
                "gradient", MODEL, "--target", "1", "--input", input, "--output", out,
            ],
        )
    };
    for (input, why) in [
        (&doubles, "must be float32"),
        (&small, "takes [N, 3, 224, 224]"),
        (&text, "no .npy file"),
        (&cut, "cut off"),
        (&desk.path("none.npy"), "cannot be read"),
    ] {
        let said = gradient(input, &out);
        assert!(said.contains(why) && said.contains(input), "{said}");
    }
    for unwritable in [desk.path("nowhere/g.npy"), desk.path("")] {
        assert!(gradient(&input, &unwritable).contains("cannot be written"));
    }
    let cam = |picture: &str, out: &str| {
        complaint(1, &["cam", MODEL, picture, "--target", "1", "--out", out])
    };
    assert!(
        cam(&desk.path("picture.png"), &desk.path("nowhere/m.png")).contains("cannot be written")
    );
    assert!(cam(&text, &desk.path("map.png")).contains("not a PNG, JPEG or WebP"));
    assert!(complaint(1, &["classify", MODEL, &desk.path("none.png")]).contains("none.png"));
    assert_eq!(desk.files(), before);
}
