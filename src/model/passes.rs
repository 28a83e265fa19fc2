//! The pass pipeline of [`crate::onnx::passes`] for a model with an image input, and its fallback
//! if ONNX Runtime rejects the result. The responsible pass is skipped and reported; the model then
//! works with fewer differentiable layers. A model is only at fault if ONNX Runtime rejects the
//! unchanged file.

use super::{Error, InputSize};
use crate::onnx::passes::{PASSES, Pass, Passes, constant_folding};
use crate::onnx::{Graph, Types};
use crate::runtime::OnnxRuntime;
use serde::Serialize;

/// A pass that was skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    pub name: &'static str,
    pub what: &'static str,
    /// The error of ONNX Runtime for the graph with it.
    pub why: String,
}

/// The image input.
#[derive(Debug, Clone, Copy)]
pub struct InputSpec<'a> {
    pub input: &'a str,
    pub size: InputSize,
    pub batchable: bool,
}

impl InputSpec<'_> {
    /// Dimensions of the input for a batch of `runs` pictures.
    pub fn dims(self, runs: usize) -> [usize; 4] {
        [
            runs,
            self.size.channels().count(),
            self.size.height as usize,
            self.size.width as usize,
        ]
    }

    /// Types of all values of `graph` for a batch of `runs` pictures.
    ///
    /// # Errors
    /// [`Error::Runtime`] if ONNX Runtime rejects it for that batch size.
    pub fn infer(self, graph: &Graph, runs: usize) -> Result<Types, Error> {
        let dims = self.dims(runs);
        Ok(constant_folding::shapes(
            &OnnxRuntime,
            graph,
            &[(self.input, &dims)],
        )?)
    }

    /// The graph specialized by `passes` for this input; if it is batchable, for all batch sizes.
    ///
    /// # Errors
    /// [`Error::Runtime`] if ONNX Runtime rejects the result of a pass.
    pub fn specialize(self, graph: Graph, passes: Passes) -> Result<Graph, Error> {
        let (one, two) = (self.dims(1), self.dims(2));
        let choices: [&[(&str, &[usize])]; 2] = [&[(self.input, &one)], &[(self.input, &two)]];
        let choices = if self.batchable {
            &choices[..]
        } else {
            &choices[..1]
        };
        Ok(passes.specialize(&OnnxRuntime, graph, choices)?)
    }
}

/// The result of `attempt` with as many passes as ONNX Runtime accepts, and the skipped passes. `opens` returns whether
/// ONNX Runtime accepts the unchanged file.
///
/// # Errors
/// The error of the attempt with all passes, unless it is a rejection that skipping passes avoids; [`Error::Passes`] if
/// ONNX Runtime nevertheless accepts the file.
pub fn fewest_left_out<T>(
    attempt: impl Fn(Passes) -> Result<T, Error>,
    opens: impl FnOnce() -> bool,
) -> Result<(T, Vec<LeftOut>), Error> {
    let problem = match attempt(Passes::ALL) {
        Ok(result) => return Ok((result, Vec::new())),
        Err(problem) if problem.is_refusal() && opens() => problem,
        Err(problem) => return Err(problem),
    };
    let optional = || PASSES.iter().filter(|entry| entry.is_optional);
    let mut without: Vec<Pass> = optional().map(|entry| entry.pass).collect();
    let mut result = match attempt(Passes::without(&without)) {
        // No optional pass is responsible.
        Err(all) if all.is_refusal() => return Err(Error::of_passes(problem)),
        result => result.ok(),
    };
    // Some passes may need others, so the optional ones are added back one by one, or skipped individually.
    if result.is_some() {
        for entry in optional() {
            let fewer = without.iter().filter(|pass| **pass != entry.pass);
            let fewer: Vec<Pass> = fewer.copied().collect();
            if let Ok(better) = attempt(Passes::without(&fewer)) {
                (result, without) = (Some(better), fewer);
            }
        }
    } else {
        for entry in optional().rev() {
            without = vec![entry.pass];
            result = attempt(Passes::without(&without)).ok();
            if result.is_some() {
                break;
            }
        }
    }
    let Some(result) = result else {
        return Err(Error::of_passes(problem));
    };
    let why = problem.refusal();
    let left_out = optional().filter(|entry| without.contains(&entry.pass));
    let left_out = left_out.map(|entry| LeftOut {
        name: entry.name,
        what: entry.what,
        why: why.clone(),
    });
    Ok((result, left_out.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime;

    fn refused() -> Error {
        let reason = "node x: no".into();
        Error::Runtime(runtime::Error::Model { reason })
    }

    /// The names of the skipped passes if graphs with any of `faulty` are rejected.
    fn left_out(faulty: &[Pass]) -> Vec<&'static str> {
        let attempt = |passes: Passes| {
            if faulty.iter().any(|pass| passes.has(*pass)) {
                Err(refused())
            } else {
                Ok(())
            }
        };
        let ((), left_out) = fewest_left_out(attempt, || true).unwrap();
        assert!(left_out.iter().all(|pass| pass.why.contains("node x: no")));
        left_out.iter().map(|pass| pass.name).collect()
    }

    #[test]
    fn the_passes_at_fault_are_left_out_and_no_others() {
        assert!(left_out(&[]).is_empty());
        for entry in PASSES.iter().filter(|entry| entry.is_optional) {
            assert_eq!(left_out(&[entry.pass]), [entry.name]);
        }
        let several = [Pass::Constants, Pass::Precision];
        assert_eq!(left_out(&several), ["precision", "constants"]);
    }

    #[test]
    fn a_pass_is_left_out_that_others_need_to_be_there_for() {
        let attempt =
            |passes: Passes| match (passes.has(Pass::Control), passes.has(Pass::Constants)) {
                (true, _) => Err(refused()),
                (false, false) => Err(Error::Channels(0)),
                (false, true) => Ok(()),
            };
        let ((), left_out) = fewest_left_out(attempt, || true).unwrap();
        let names: Vec<&str> = left_out.iter().map(|pass| pass.name).collect();
        assert_eq!(names, ["control flow"]);
    }

    #[test]
    fn the_error_names_the_model_or_the_passes_as_the_cause() {
        let attempt = |_: Passes| Err::<(), _>(refused());
        let of = |opens: bool| fewest_left_out(attempt, || opens).unwrap_err().to_string();
        let model = "ONNX Runtime refuses the model: node x: no";
        assert_eq!(of(false), model);
        let ours = of(true);
        assert!(
            ours.contains("opens the file") && ours.contains("upgrade"),
            "{ours}"
        );
        let other = |_: Passes| Err::<(), _>(Error::Channels(0));
        let problem = fewest_left_out(other, || panic!("it is not asked")).unwrap_err();
        assert!(matches!(problem, Error::Channels(0)));
    }
}
