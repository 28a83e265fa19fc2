//! Evaluates a program for a block of elements at a time, one instruction after the other.

use super::functions;
use super::program::{Operand, Operation, Program, hard_sigmoid};
use crate::runtime::operators::context::is_between;
use crate::runtime::operators::vectorized::{Loop, vectorized};

/// Elements that an instruction computes at a time: few enough that the results of a program stay in the first cache of
/// a processor, and enough that choosing the operation costs little.
pub const BLOCK: usize = 128;

type Block = [f32; BLOCK];

/// A program that is ready to be evaluated.
#[derive(Debug)]
pub struct Evaluator {
    steps: Vec<Step>,
    /// The numbers of the program, each repeated.
    numbers: Vec<Block>,
    inputs: usize,
}

/// An instruction.
#[derive(Debug)]
struct Step {
    operation: Operation,
    operands: [Place; 2],
    /// The third and the fourth operand.
    bounds: [f32; 2],
}

/// Where an operand is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Input(usize),
    Result(usize),
    Number(usize),
}

/// Part of an input.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// One number for each element.
    Elements(&'a [f32]),
    /// The same number for all.
    Number(f32),
}

/// Memory for an evaluation.
#[derive(Debug)]
pub struct Scratch {
    /// The result of each instruction.
    results: Vec<Block>,
    /// Blocks of inputs that are a single number, or not a full block.
    inputs: Vec<Block>,
}

/// An evaluation for elements of a result.
struct Evaluation<'a> {
    evaluator: &'a Evaluator,
    inputs: &'a [Source<'a>],
    scratch: &'a mut Scratch,
    output: &'a mut [f32],
}

impl Loop for Evaluation<'_> {
    #[inline(always)]
    fn perform(self, has_fma: bool) {
        let Self {
            inputs,
            scratch,
            output,
            ..
        } = self;
        self.evaluator
            .evaluate_inlined(inputs, scratch, output, has_fma);
    }
}

impl Evaluator {
    /// Repeats the numbers of the program.
    pub fn new(program: &Program) -> Self {
        let mut numbers = Vec::new();
        let mut place = |operand| match operand {
            Operand::Input(index) => Place::Input(index),
            Operand::Result(index) => Place::Result(index),
            Operand::Number(number) => {
                numbers.push([number; BLOCK]);
                Place::Number(numbers.len() - 1)
            }
        };
        let bound = |operand| match operand {
            Operand::Number(number) => number,
            // No program has them there.
            Operand::Input(_) | Operand::Result(_) => f32::NAN,
        };
        let steps = program.instructions.iter().map(|instruction| {
            let [first, second, third, fourth] = instruction.operands;
            Step {
                operation: instruction.operation,
                operands: [place(first), place(second)],
                bounds: [bound(third), bound(fourth)],
            }
        });
        Self {
            steps: steps.collect(),
            numbers,
            inputs: program.inputs(),
        }
    }

    /// Number of instructions.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Memory for [`Evaluator::evaluate`].
    pub fn scratch(&self) -> Scratch {
        Scratch {
            results: vec![[0.0; BLOCK]; self.steps.len()],
            inputs: vec![[0.0; BLOCK]; self.inputs],
        }
    }

    /// Evaluates the program for as many elements as `output` and each of `inputs` has.
    pub fn evaluate(&self, inputs: &[Source], scratch: &mut Scratch, output: &mut [f32]) {
        vectorized(Evaluation {
            evaluator: self,
            inputs,
            scratch,
            output,
        });
    }

    #[inline(always)]
    fn evaluate_inlined(
        &self,
        inputs: &[Source],
        scratch: &mut Scratch,
        output: &mut [f32],
        has_fma: bool,
    ) {
        let Scratch {
            results,
            inputs: copies,
        } = scratch;
        for (copy, input) in copies.iter_mut().zip(inputs) {
            if let Source::Number(number) = input {
                copy.fill(*number);
            }
        }
        let (blocks, rest) = output.as_chunks_mut::<BLOCK>();
        for (index, block) in blocks.iter_mut().enumerate() {
            let input = |input: usize| match inputs[input] {
                Source::Elements(elements) => &elements.as_chunks().0[index],
                Source::Number(_) => &copies[input],
            };
            self.evaluate_block(input, results, block, has_fma);
        }
        if rest.is_empty() {
            return;
        }
        // The other elements of the last block have no meaning.
        for (copy, input) in copies.iter_mut().zip(inputs) {
            if let Source::Elements(elements) = input {
                copy[..rest.len()].copy_from_slice(elements.as_chunks::<BLOCK>().1);
            }
        }
        let mut block = [0.0; BLOCK];
        self.evaluate_block(|input| &copies[input], results, &mut block, has_fma);
        rest.copy_from_slice(&block[..rest.len()]);
    }

    #[inline(always)]
    fn evaluate_block<'b>(
        &'b self,
        input: impl Fn(usize) -> &'b Block,
        results: &mut [Block],
        output: &mut Block,
        has_fma: bool,
    ) {
        let last = self.steps.len() - 1;
        for (index, step) in self.steps.iter().enumerate() {
            let (earlier, later) = results.split_at_mut(index);
            let operands = step.operands.map(|place| match place {
                Place::Input(index) => input(index),
                Place::Result(index) => &earlier[index],
                Place::Number(index) => &self.numbers[index],
            });
            let target = if index == last {
                &mut *output
            } else {
                &mut later[0]
            };
            perform(step.operation, operands, step.bounds, target, has_fma);
        }
    }
}

/// Performs an operation for each element of a block.
#[inline(always)]
fn perform(
    operation: Operation,
    operands: [&Block; 2],
    [third, fourth]: [f32; 2],
    target: &mut Block,
    has_fma: bool,
) {
    // All bits or none. A choice between numbers would be compiled to one instruction per element.
    let kept = |number: f32, is_kept: bool| {
        f32::from_bits(number.to_bits() & u32::from(is_kept).wrapping_neg())
    };
    let flag = |is_true| kept(1.0, is_true);
    match operation {
        Operation::Add => combine(operands, target, |a, b| a + b),
        Operation::Sub => combine(operands, target, |a, b| a - b),
        Operation::Mul => combine(operands, target, |a, b| a * b),
        Operation::Div => combine(operands, target, |a, b| a / b),
        Operation::Max => combine(
            operands,
            target,
            |a, b| if a > b || a.is_nan() { a } else { b },
        ),
        Operation::Min => combine(
            operands,
            target,
            |a, b| if a < b || a.is_nan() { a } else { b },
        ),
        Operation::Greater => combine(operands, target, |a, b| flag(a > b)),
        Operation::Less => combine(operands, target, |a, b| flag(a < b)),
        Operation::Equal => combine(operands, target, |a, b| flag(a == b)),
        Operation::Abs => combine(operands, target, |a, _| a.abs()),
        Operation::Sqrt => combine(operands, target, |a, _| a.sqrt()),
        Operation::Exp => combine(operands, target, |a, _| functions::exp(a, has_fma)),
        Operation::Erf => combine(operands, target, |a, _| functions::erf(a, has_fma)),
        Operation::Sigmoid => combine(operands, target, |a, _| functions::sigmoid(a, has_fma)),
        Operation::HardSigmoid => combine(operands, target, |a, _| hard_sigmoid(a, third, fourth)),
        Operation::Between => combine(operands, target, |a, b| {
            kept(a, is_between(b, third, fourth))
        }),
    }
}

/// Writes `f` of both operands.
#[inline(always)]
fn combine([first, second]: [&Block; 2], target: &mut Block, f: impl Fn(f32, f32) -> f32) {
    for ((target, a), b) in target.iter_mut().zip(first).zip(second) {
        *target = f(*a, *b);
    }
}
