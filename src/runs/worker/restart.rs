//! Why runs that have a checkpoint start from the beginning, in a notice for the user.

use crate::runs::queue::Job;
use crate::text::{counted, safe};

/// What is wrong with a checkpoint.
pub enum Restart<'a> {
    /// These versions of Ziggurat and ONNX Runtime wrote it: today's may compute another picture.
    OtherVersions(&'a [String; 2]),
    /// It does not fit the step graph.
    Unfit,
    /// It cannot be read.
    Damaged,
}

impl Restart<'_> {
    /// The notice, for these runs.
    pub fn notice(&self, jobs: &[Job]) -> String {
        let runs = match jobs {
            [job] => safe(&job.spec.target),
            jobs => counted(jobs.len(), "run"),
        };
        format!(
            "{runs}: starting from the beginning, because the checkpoint {}",
            self.why()
        )
    }

    fn why(&self) -> String {
        match self {
            Self::OtherVersions([version, _]) if version.is_empty() => {
                "was written by an earlier version of Ziggurat".into()
            }
            Self::OtherVersions([version, runtime]) => format!(
                "was written by {}",
                safe(&format!("Ziggurat {version} with ONNX Runtime {runtime}"))
            ),
            Self::Unfit => "does not fit the model".into(),
            Self::Damaged => "is damaged".into(),
        }
    }
}
