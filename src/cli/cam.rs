//! `ziggurat cam`: the regions of a picture that support a target; or a classifier that computes them, as a model.

mod export;

use super::classify::model_and_images;
use super::gradient::no_such_unit;
use super::inputs::Inputs;
use super::model_options::ModelOptions;
use super::output_file::{self, OutputFile, has_ending, is_folder, is_png};
use super::preferences::Preferences;
use super::{Failure, output, photo, startup};
use anyhow::anyhow;
use clap::builder::NonEmptyStringValueParser;
use image::{DynamicImage, ImageFormat};
use ndarray_npy::WriteNpyExt;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use ziggurat::ascent::{CamOptions, heatmap, photo_map};
use ziggurat::model::picture;
use ziggurat::runs::favourites;
use ziggurat::runtime::device::PROVIDERS;

#[derive(clap::Args)]
pub struct Arguments {
    /// Path or name of a model; may be omitted if the picture's name ends in .png, .jpg, .jpeg or .webp
    #[arg(value_name = "MODEL")]
    model_or_image: PathBuf,
    /// The picture; none with --export
    #[arg(value_name = "IMAGE")]
    image: Option<PathBuf>,
    /// A class, or LAYER:CHANNEL; with --layer also a neuron or a whole layer
    #[arg(long, required_unless_present = "Export", value_parser = NonEmptyStringValueParser::new())]
    target: Option<String>,
    /// Layer of the map [default: the last layer before the score with spatial dimensions]
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    layer: Option<String>,
    /// Method: grad-cam, grad-cam++, layer-cam, hires-cam or cam
    #[arg(long, default_value = "grad-cam")]
    method: String,
    /// Write the picture with its heat map to this PNG file or folder; as .npy,
    /// the heat map alone: float32 (height, width), 0 to 1
    #[arg(long, value_name = "PATH", required_unless_present = "Export")]
    out: Option<PathBuf>,
    #[arg(long, help = format!("Execution provider: {PROVIDERS} [default: that of config.toml, or auto]"))]
    provider: Option<String>,
    #[command(flatten)]
    export: export::Export,
    #[command(flatten)]
    model_options: ModelOptions,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let home = startup::home()?;
    let method = arguments
        .method
        .parse()
        .map_err(|problem: String| Failure::usage(anyhow!(problem)))?;
    let layer = arguments.layer.as_deref();
    if let Some(path) = &arguments.export.export {
        if arguments.image.is_some() {
            return Err(Failure::usage(anyhow!(
                "--export takes a model and no picture"
            )));
        }
        let (model, options) = (&arguments.model_or_image, &arguments.model_options);
        return arguments
            .export
            .run(&home, path, model, (method, layer), options);
    }
    // The parser requires them without --export.
    let (Some(target), Some(out)) = (&arguments.target, &arguments.out) else {
        return Err(Failure::usage(anyhow!(
            "--target and --out are required, or --export"
        )));
    };
    let preferences = Preferences::load(&home, &["model", "provider"]);
    let provider = preferences.provider(arguments.provider.as_deref())?;
    let given: Vec<PathBuf> = [Some(arguments.model_or_image), arguments.image]
        .into_iter()
        .flatten()
        .collect();
    let (model, images) = model_and_images(&given)?;
    let [image] = images else {
        return Err(Failure::usage(anyhow!(
            "one picture at a time: expected MODEL IMAGE"
        )));
    };
    output_file::check(out, &Inputs::default())?;
    let is_array = has_ending(out, "npy");
    if !is_folder(out) && !is_png(out) && !is_array {
        return Err(Failure::usage(anyhow!(
            "--out {}: pictures are PNG files and heat maps NPY files; let the name end in .png or .npy, or in / if it is a folder",
            out.display()
        )));
    }
    let name = image.to_string_lossy();
    let picture = photo::bounded(picture::read(image)?, &name);
    // Removed again if nothing is written.
    let _folder = is_folder(out)
        .then(|| output_file::new_folder(out))
        .transpose()?;
    let model = preferences.model(&home, model)?;
    let inputs = Inputs::default()
        .with("the picture", image)
        .with_model(&home, &startup::source(&home, model)?);
    let out = OutputFile::new(&file_in(out, image, target), &inputs)?;
    let image = name;
    let network = startup::network(&home, model, &arguments.model_options)?;
    let target = startup::target(&network, target)?;
    let layer = layer
        .map(|name| startup::layer(&network, name))
        .transpose()?;
    let choice = CamOptions {
        method,
        layer: layer.as_deref(),
    };
    let device = startup::provider_for_one_shot(provider)?.device;

    let what = (&target.objective, target.unit);
    let map =
        photo_map::of_photo(&network, what, &picture, choice, device).map_err(no_such_unit)?;
    if let (Some(seen), views @ 2..) = (photo::seen(&picture, &network), map.views()) {
        let (width, height) = picture.dimensions();
        output::notice(&format!(
            "{image}: the network sees {seen} of {width} × {height} pixels at once; the map is merged from {views} overlapping views"
        ));
    }
    if map.is_zero() {
        output::notice(&format!(
            "{image}: no region supports {}: the map is zero everywhere",
            target.title
        ));
    }
    if is_array {
        return Ok(out.finish(|writer| Ok(map.scaled().write_npy(writer)?))?);
    }
    let mut png = Cursor::new(Vec::new());
    let overlaid = heatmap::overlay_rows(&picture, |row| map.row(row));
    DynamicImage::from(overlaid).write_to(&mut png, ImageFormat::Png)?;
    Ok(out.finish(|writer| Ok(writer.write_all(png.get_ref())?))?)
}

/// The output file: `out`, or a file in that folder, named after picture and target.
fn file_in(out: &Path, image: &Path, target: &str) -> PathBuf {
    if !is_folder(out) {
        return out.to_path_buf();
    }
    let stem = image.file_stem().unwrap_or_default();
    let mut name = stem.to_owned();
    name.push(format!("-{}.png", favourites::file_name(target)));
    out.join(name)
}
