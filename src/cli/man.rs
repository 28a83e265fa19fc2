//! `ziggurat man`: the manual as man pages, from the definition of the command line.

use super::{Arguments, Failure, output};
use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct ManArguments {
    /// Write one page per command into this folder, which is created if necessary
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

pub fn run(arguments: &ManArguments) -> Result<(), Failure> {
    let Some(folder) = &arguments.dir else {
        let mut page = Vec::new();
        Man::new(Arguments::command()).render(&mut page)?;
        return Ok(output::generated(&String::from_utf8(page)?)?);
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    clap_mangen::generate_to(Arguments::command(), folder)
        .with_context(|| format!("cannot write into {}", folder.display()))?;
    Ok(())
}
