use super::*;
use image::Rgb;

#[test]
fn a_half_block_shows_two_pixels_one_above_the_other() {
    let picture = RgbImage::from_fn(3, 4, |x, y| Rgb([10 * x as u8, 20 * y as u8, 0]));
    let grid = cells(&picture, 3, 2, Blocks::Half);
    let rows: Vec<&[Cell]> = grid.rows().collect();
    assert_eq!(rows.len(), 2);
    let ink = rows[1][2].ink(ColourDepth::True);
    assert_eq!(ink.glyph, '▀');
    assert_eq!(ink.foreground, Some(Colour::True([20, 40, 0])));
    assert_eq!(ink.background, Some(Colour::True([20, 60, 0])));
    assert_eq!(cells(&picture, 0, 5, Blocks::Half).rows().count(), 0);
}

#[test]
fn a_cell_of_two_colours_is_drawn_as_it_is() {
    let (red, blue) = ([200, 0, 0], [0, 0, 200]);
    for (blocks, _) in BLOCKS {
        let (across, down) = blocks.parts();
        let corner = |x, y| x == across - 1 && y == down - 1;
        let picture = RgbImage::from_fn(across, down, |x, y| {
            Rgb(if corner(x, y) { red } else { blue })
        });
        let ink = cells(&picture, 1, 1, blocks).rows().next().unwrap()[0].ink(ColourDepth::True);
        let colours = [ink.foreground, ink.background];
        assert!(colours.contains(&Some(Colour::True(red))), "{blocks}");
        assert!(colours.contains(&Some(Colour::True(blue))), "{blocks}");
    }
}

#[test]
fn without_colours_light_is_drawn_as_shades() {
    for (blocks, _) in BLOCKS {
        let ink = |value| {
            let picture = RgbImage::from_pixel(2, 4, Rgb([value; 3]));
            cells(&picture, 1, 1, blocks).rows().next().unwrap()[0].ink(ColourDepth::None)
        };
        assert_eq!([0, 127, 255].map(|value| ink(value).glyph), [' ', '▒', '█']);
        assert_eq!(ink(255).foreground, None);
    }
}

/// The grid rendered as a picture: each part in its colour.
fn shown(grid: &Grid, blocks: Blocks, size: (u32, u32)) -> RgbImage {
    let (across, down) = blocks.parts();
    let patterns: std::collections::HashMap<char, u8> = (0..=blocks.complement(0))
        .filter_map(|pattern| Some((blocks.glyph(pattern)?, pattern)))
        .collect();
    let rows: Vec<&[Cell]> = grid.rows().collect();
    let (columns, lines) = (rows[0].len() as u32, rows.len() as u32);
    RgbImage::from_fn(size.0, size.1, |x, y| {
        let (x, y) = (x * columns * across / size.0, y * lines * down / size.1);
        let cell = rows[(y / down) as usize][(x / across) as usize];
        let part = (y % down) * across + x % across;
        let is_front = patterns[&cell.glyph] >> part & 1 == 1;
        Rgb(if is_front { cell.front } else { cell.back })
    })
}

/// Peak signal to noise, in dB.
fn psnr(a: &RgbImage, b: &RgbImage) -> f64 {
    let squares = a.as_raw().iter().zip(b.as_raw());
    let squares = squares.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    let mean = squares.sum::<f64>() / a.as_raw().len() as f64;
    10.0 * (255.0_f64.powi(2) / mean).log10()
}

/// Structural similarity (Wang et al. 2004) of the luma, over windows of 8 × 8.
fn ssim(a: &RgbImage, b: &RgbImage) -> f64 {
    let luma = |picture: &RgbImage, x, y| f64::from(super::luma(picture.get_pixel(x, y).0));
    let (mut sum, mut count) = (0.0, 0.0);
    for top in (0..a.height() - 7).step_by(4) {
        for left in (0..a.width() - 7).step_by(4) {
            let places = (0..64).map(|at| (left + at % 8, top + at / 8));
            let pairs: Vec<(f64, f64)> = places
                .map(|(x, y)| (luma(a, x, y), luma(b, x, y)))
                .collect();
            let mean = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>() / 64.0;
            let (ma, mb) = (mean(&|p| p.0), mean(&|p| p.1));
            let (va, vb) = (mean(&|p| (p.0 - ma).powi(2)), mean(&|p| (p.1 - mb).powi(2)));
            let both = mean(&|p| (p.0 - ma) * (p.1 - mb));
            let (c1, c2) = (6.5025, 58.5225);
            sum += (2.0 * ma * mb + c1) * (2.0 * both + c2)
                / ((ma * ma + mb * mb + c1) * (va + vb + c2));
            count += 1.0;
        }
    }
    sum / count
}

/// Finer parts give a more accurate picture; octants only by their colours, as two colours for eight parts show no
/// more structure than for six. Run with `--nocapture` for the figures.
#[test]
fn finer_parts_show_more_of_a_picture() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/models/flamingo.png");
    let picture = image::open(file).unwrap().to_rgb8();
    let mut last = (0.0, 0.0);
    for (blocks, _) in BLOCKS {
        let grid = cells(&picture, 40, 20, blocks);
        let seen = shown(&grid, blocks, (320, 320));
        let original = resize(&picture, 320, 320);
        let found = (psnr(&seen, &original), ssim(&seen, &original));
        println!("{blocks}: {:.2} dB, SSIM {:.3}", found.0, found.1);
        assert!(found.0 > last.0 + 0.2, "{blocks}: {found:?}");
        assert!(found.1 > last.1 - 0.01, "{blocks}: {found:?}");
        last = found;
    }
}
