//! Photos of any shape and state.

use super::*;

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
    let sandbox = Sandbox::with_shared_home();
    let model = write_model(
        &sandbox,
        &[
            ("Image.NominalPixelRange", "Normalized_0_1"),
            ("names", "['red', 'green', 'blue']"),
        ],
    );
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
            let (photo, out) = (
                save_photo(&sandbox, "photo.png", &photo),
                sandbox.path("map.png"),
            );
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
    let remarks = printed(&["classify", &model, &sandbox.path("photo.png")]).remarks;
    assert!(
        remarks.contains("the network sees only the central 15 × 15 of 17 × 40 pixels"),
        "{remarks}"
    );
    let square = save_photo(&sandbox, "square.png", &solid([9, 9, 9]));
    assert_eq!(printed(&["classify", &model, &square]).remarks, "");
}

#[test]
fn cam_writes_into_a_folder() {
    let sandbox = Sandbox::with_shared_home();
    let model = write_model(&sandbox, &[]);
    let photo = save_photo(&sandbox, "cat.png", &solid([200, 10, 10]));
    let out = sandbox.path("maps/");
    printed(&["cam", &model, &photo, "--target", "class 0", "--out", &out]);
    assert!(Path::new(&sandbox.path("maps/cat-class-0.png")).is_file());
}

#[test]
fn photos_that_end_early_are_errors_that_say_what_could_be_read() {
    let sandbox = Sandbox::with_shared_home();
    let model = write_model(&sandbox, &[]);
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
        let path = sandbox.put("cut.jpg", &bytes[..bytes.len() * 3 / 5]);
        for arguments in [
            &["classify", &model, &path][..],
            &[
                "cam",
                &model,
                &path,
                "--target",
                "0",
                "--out",
                &sandbox.path("no.png"),
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
    assert!(!Path::new(&sandbox.path("no.png")).exists());
}
