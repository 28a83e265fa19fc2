//! What `ziggurat` says when it is asked nothing.

use super::{Failure, output};

const GUIDE: &str = "\
Ziggurat shows what an ONNX image classifier has learned.

  ziggurat run flamingo                  the picture that the default model calls a flamingo
  ziggurat run flamingo 'tiger shark'    several at once
  ziggurat run blocks.10/expand/conv:7   what one channel of a layer responds to
  ziggurat run --model MODEL.onnx 130    your own model
  ziggurat classes shark                 find classes
  ziggurat layers                        find layers
  ziggurat classify PICTURE              what the model sees in a picture
  ziggurat cam PICTURE --target CLASS --out MAP.png
  ziggurat history list                  the runs that were kept
  ziggurat doctor                        what was found on this machine

ziggurat help COMMAND tells more.";

pub fn run() -> Result<(), Failure> {
    GUIDE.lines().try_for_each(|line| Ok(output::line(line)?))
}
