//! `ziggurat cam`.

use super::*;

#[test]
fn cam_lays_a_map_over_the_entire_picture() {
    let sandbox = with_picture();
    let picture = sandbox.path("picture.png");
    let maps: Vec<RgbImage> = ["flamingo", "644", "blocks.10/expand/conv:7"]
        .iter()
        .enumerate()
        .map(|(number, target)| {
            let out = sandbox.path(&format!("map{number}.png"));
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
            &sandbox.path("no.png"),
        ],
    );
    assert!(
        why.contains("has no class activation map") && !sandbox.exists("no.png"),
        "{why}"
    );
}

#[test]
fn cam_takes_other_methods_and_other_layers() {
    let sandbox = with_picture();
    let (picture, out) = (sandbox.path("picture.png"), sandbox.path("map.png"));
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

    let no = sandbox.path("no.png");
    let why = |more: &[&str]| {
        let arguments = ["cam", MODEL, &picture, "--target", "130", "--out", &no];
        complaint(2, &[&arguments, more].concat())
    };
    assert!(why(&["--method", "gradcam"]).contains("grad-cam, grad-cam++, layer-cam"));
    assert!(why(&["--layer", "blocks.10/expand/cov"]).contains("did you mean"));
    assert!(why(&["--layer", "logits"]).contains("no rows and columns"));
    let linear = why(&["--method", "cam", "--layer", "blocks.10/expand/conv"]);
    assert!(linear.contains("use grad-cam"), "{linear}");
    assert!(!sandbox.exists("no.png"));
}

#[test]
fn a_heat_map_is_written_only_as_png_and_into_a_folder_that_exists() {
    let sandbox = with_picture();
    let picture = sandbox.path("picture.png");
    let cam = |status, out: &str| {
        complaint(
            status,
            &[
                "cam",
                &picture,
                "--target",
                "1",
                "--out",
                &sandbox.path(out),
            ],
        )
    };
    assert!(cam(2, "map.jpg").contains("map.jpg: pictures are PNG files"));
    assert!(cam(2, "map").contains("let the name end in .png"));
    assert!(
        cam(1, "no/dir/map.png").ends_with(&format!("no such folder: {}", sandbox.path("no/dir")))
    );
    assert_eq!(sandbox.files().len(), 1);
}
