use super::Failure;
#[derive(clap::Args)]
pub struct Arguments {}
pub fn run(_: Arguments) -> Result<(), Failure> {
    todo!()
}
