//! The file format of checkpoints. Whatever a header claims, no more memory is allocated than the file is long.

use super::Checkpoint;
use crate::ascent::{AscentProgress, AscentState};
use crate::runs::Spec;
use crate::runs::frames::MAX_FRAMES;
use crate::runs::queue::MAX_TOGETHER;
use image::RgbImage;
use ndarray::Array4;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;

/// The first line: format and version.
const MAGIC: &[u8] = b"ziggurat checkpoint 1\n";

/// Maximum size of a header in bytes.
const MAX_HEADER: usize = 1 << 20;

/// Maximum size of a checkpoint in bytes.
const MAX_BYTES: u64 = 4 << 30;

/// Bytes of the hash at the end.
const HASH: usize = blake3::OUT_LEN;

/// All but the numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub specs: Vec<Spec>,
    pub provider: String,
    seconds: f64,
    at: AscentProgress,
    /// Of the pictures: runs, channels, height, width.
    dims: [usize; 4],
    has_mask: bool,
    /// Frames of each run, their width and height.
    frames: (usize, u32, u32),
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    companions: Vec<String>,
    #[serde(default)]
    versions: [String; 2],
}

impl Header {
    /// Steps taken.
    pub fn step(&self) -> usize {
        self.at.step
    }
}

/// The beginning of a checkpoint.
pub struct Preamble {
    pub header: Header,
    /// The header as it was read, for the hash.
    text: Vec<u8>,
}

/// The bytes of a checkpoint.
pub fn encode(checkpoint: &Checkpoint) -> Vec<u8> {
    let Checkpoint {
        saved,
        scores,
        frames,
        ..
    } = checkpoint;
    let (runs, channels, height, width) = saved.canvas.dim();
    let frame = frames.first().and_then(|frames| frames.first());
    let frame_size = frame.map_or((0, 0), RgbImage::dimensions);
    let header = Header {
        specs: checkpoint.specs.clone(),
        provider: checkpoint.provider.clone(),
        seconds: checkpoint.seconds,
        at: saved.at.clone(),
        dims: [runs, channels, height, width],
        has_mask: saved.mask.is_some(),
        frames: (
            frames.first().map_or(0, Vec::len),
            frame_size.0,
            frame_size.1,
        ),
        companions: checkpoint.companions.clone(),
        versions: checkpoint.versions.clone(),
    };
    let text = serde_json::to_vec(&header).expect("a header can always be written as JSON");
    let mut bytes = Vec::with_capacity(16 * saved.canvas.len());
    bytes.extend(MAGIC);
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text);
    let arrays = [
        Some(&saved.canvas),
        Some(&saved.velocity),
        saved.mask.as_ref(),
    ];
    let states = arrays.into_iter().flatten().flatten();
    for number in states.chain(scores.iter().flatten()) {
        bytes.extend(number.to_le_bytes());
    }
    for frame in frames.iter().flatten() {
        bytes.extend(frame.as_raw());
    }
    bytes.extend(blake3::hash(&bytes).as_bytes());
    bytes
}

/// Reads the beginning of a checkpoint.
pub fn read_start(file: &mut File) -> Result<Preamble, String> {
    let mut start = [0; MAGIC.len() + 4];
    file.read_exact(&mut start).map_err(|_| "it is truncated")?;
    let (magic, length) = start.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err("it is not a checkpoint, or has another version".into());
    }
    let length = u32::from_le_bytes(length.try_into().unwrap_or_default()) as usize;
    if length > MAX_HEADER {
        return Err("its header is too long".into());
    }
    let mut text = vec![0; length];
    file.read_exact(&mut text).map_err(|_| "it is truncated")?;
    let header: Header = serde_json::from_slice(&text).map_err(|problem| problem.to_string())?;
    let runs = header.specs.len();
    let counts = [header.at.runs.len(), header.dims[0]];
    let fits = counts.iter().all(|&count| count == runs)
        && (1..=MAX_TOGETHER).contains(&runs)
        && header.companions.len() <= MAX_TOGETHER
        && header.frames.0 <= MAX_FRAMES;
    if fits {
        Ok(Preamble { header, text })
    } else {
        Err("its numbers of runs are inconsistent".into())
    }
}

/// Reads the rest, and checks the hash of all.
pub fn read_rest(start: Preamble, file: &mut File) -> Result<Checkpoint, String> {
    let Preamble { header, text } = start;
    let whole = sizes(&header).ok_or("its sizes are absurdly large")?;
    let length = file
        .metadata()
        .map_err(|problem| problem.to_string())?
        .len();
    let before = (MAGIC.len() + 4 + text.len()) as u64;
    if length > MAX_BYTES || length != before + whole + HASH as u64 {
        return Err("its length does not match its header".into());
    }
    let mut body = Vec::with_capacity(whole as usize + HASH);
    file.take(whole + HASH as u64)
        .read_to_end(&mut body)
        .map_err(|problem| problem.to_string())?;
    let (numbers, hash) = body
        .split_at_checked(whole as usize)
        .ok_or("it is truncated")?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(MAGIC);
    hasher.update(&(text.len() as u32).to_le_bytes());
    hasher.update(&text).update(numbers);
    if hasher.finalize().as_bytes() != hash {
        return Err("it is damaged".into());
    }
    decode(header, numbers).ok_or_else(|| "it is truncated".into())
}

/// Number of bytes between the header and the hash; `None` if it overflows.
fn sizes(header: &Header) -> Option<u64> {
    let product = |factors: &[usize]| {
        let mut factors = factors.iter().map(|&factor| factor as u64);
        factors.try_fold(1u64, u64::checked_mul)
    };
    let [runs, channels, height, width] = header.dims;
    let masks = usize::from(header.has_mask);
    let state = product(&[4, runs, 2 * channels.min(1 << 20) + masks, height, width])?;
    let scores = product(&[4, runs, header.at.step])?;
    let (count, frame_width, frame_height) = header.frames;
    let frames = product(&[3, runs, count, frame_width as usize, frame_height as usize])?;
    state.checked_add(scores)?.checked_add(frames)
}

fn decode(header: Header, mut bytes: &[u8]) -> Option<Checkpoint> {
    let mut take = |length: usize| bytes.split_off(..length);
    let mut floats = |count: usize| -> Option<Vec<f32>> {
        let (numbers, _) = take(4 * count)?.as_chunks::<4>();
        Some(
            numbers
                .iter()
                .map(|&number| f32::from_le_bytes(number))
                .collect(),
        )
    };
    let [runs, channels, height, width] = header.dims;
    let mut array = |channels: usize| {
        let dims = (runs, channels, height, width);
        let numbers = floats(runs * channels * height * width)?;
        Array4::from_shape_vec(dims, numbers).ok()
    };
    let image = array(channels)?;
    let velocity = array(channels)?;
    let mask = if header.has_mask {
        Some(array(1)?)
    } else {
        None
    };
    let step = header.at.step;
    let scores = (0..runs).map(|_| floats(step)).collect::<Option<_>>()?;
    let (count, frame_width, frame_height) = header.frames;
    let mut frame = || {
        let length = 3 * frame_width as usize * frame_height as usize;
        RgbImage::from_raw(frame_width, frame_height, take(length)?.to_vec())
    };
    let mut frames = Vec::with_capacity(runs);
    for _ in 0..runs {
        frames.push((0..count).map(|_| frame()).collect::<Option<_>>()?);
    }
    Some(Checkpoint {
        specs: header.specs,
        provider: header.provider,
        saved: AscentState {
            at: header.at,
            canvas: image,
            velocity,
            mask,
        },
        scores,
        frames,
        seconds: header.seconds,
        companions: header.companions,
        versions: header.versions,
    })
}
