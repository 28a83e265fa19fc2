//! `ziggurat man`: the manual as man pages, from the definition of the command line.

use super::inputs::Inputs;
use super::output_file::OutputFile;
use super::{Arguments, Failure, output};
use anyhow::anyhow;
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
        .map_err(|problem| anyhow!("--dir {}: cannot be created: {problem}", folder.display()))?;
    // No page is replaced before all are written.
    let mut files = Vec::new();
    for page in pages() {
        let mut file = OutputFile::new(&folder.join(page.get_filename()), &Inputs::default())?;
        file.write(|writer| Ok(page.render(writer)?))?;
        files.push(file);
    }
    Ok(OutputFile::finish_all(files)?)
}

/// The pages of all commands.
fn pages() -> Vec<Man> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    let mut worklist = vec![command];
    while let Some(command) = worklist.pop() {
        let shown = command.get_subcommands().filter(|one| !one.is_hide_set());
        worklist.extend(shown.cloned());
        pages.push(Man::new(command));
    }
    pages
}
