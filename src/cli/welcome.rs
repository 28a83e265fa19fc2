//! What `ziggurat` prints without arguments where there is no terminal.

use super::{Failure, output};

const GUIDE: &str = "\
Ziggurat shows what an ONNX image classifier has learned.

  ziggurat run flamingo                  draw what the default model sees as a flamingo
  ziggurat run flamingo 'tiger shark'    several targets at once
  ziggurat run blocks.10/expand/conv:7   what activates one channel of a layer
  ziggurat run --model MODEL.onnx 130    class 130 of your own model
  ziggurat classes shark                 find classes
  ziggurat layers                        find layers
  ziggurat classify PICTURE              classify a picture
  ziggurat cam PICTURE --target CLASS --out MAP.png
  ziggurat history list                  list saved runs
  ziggurat doctor                        check this machine

Without a command, ziggurat opens the explorer. See `ziggurat help COMMAND` for details.";

pub fn run() -> Result<(), Failure> {
    GUIDE.lines().try_for_each(|line| Ok(output::line(line)?))
}
