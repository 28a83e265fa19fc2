//! Evaluates a program for a tile of elements at a time, one instruction after the other.

use super::program::{Operand, Operation, Program};
use crate::runtime::operators::context::is_between;

/// Elements that are evaluated at a time. The registers of most programs fit into the first cache of a processor.
const TILE: usize = 1024;

/// A program, and the register of each of its results.
#[derive(Debug)]
pub struct Evaluator {
    program: Program,
    registers: Vec<usize>,
    /// Number of registers.
    count: usize,
}

/// A tile of an input.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// One number for each element.
    Elements(&'a [f32]),
    /// The same number for all.
    Number(f32),
}

impl Evaluator {
    /// Assigns registers: that of a result is free again after the last instruction that reads it.
    pub fn new(program: Program) -> Self {
        let count = program.instructions.len();
        let mut last_reads = vec![0; count];
        for (index, instruction) in program.instructions.iter().enumerate() {
            for operand in instruction.operands {
                if let Operand::Result(result) = operand {
                    last_reads[result] = index;
                }
            }
        }
        let mut registers = Vec::with_capacity(count);
        let (mut free, mut used) = (Vec::new(), 0);
        for (index, instruction) in program.instructions.iter().enumerate() {
            registers.push(free.pop().unwrap_or(used));
            used = used.max(registers[index] + 1);
            let operands = instruction.operands.iter().enumerate();
            for (place, operand) in operands {
                let is_first = !instruction.operands[..place].contains(operand);
                match *operand {
                    Operand::Result(result) if last_reads[result] == index && is_first => {
                        free.push(registers[result]);
                    }
                    _ => (),
                }
            }
        }
        Self {
            program,
            registers,
            count: used,
        }
    }

    /// Number of instructions.
    pub fn len(&self) -> usize {
        self.program.instructions.len()
    }

    /// The number of elements to be evaluated at a time: at most `most`.
    pub fn tile(&self, most: usize) -> usize {
        // The result of the last instruction needs no register.
        if self.len() == 1 {
            most
        } else {
            TILE.min(most)
        }
    }

    /// Registers for [`Evaluator::evaluate`] of tiles.
    pub fn registers(&self, tile: usize) -> Vec<Vec<f32>> {
        let size = if self.len() == 1 { 0 } else { tile };
        vec![vec![0.0; size]; self.count]
    }

    /// Evaluates the program for a tile: as many elements as `output` and each of `inputs` has.
    pub fn evaluate(&self, inputs: &[Source], registers: &mut [Vec<f32>], output: &mut [f32]) {
        let last = self.len() - 1;
        for (index, instruction) in self.program.instructions.iter().enumerate() {
            let mut target = std::mem::take(&mut registers[self.registers[index]]);
            let source = |operand| match operand {
                Operand::Input(input) => inputs[input],
                Operand::Number(number) => Source::Number(number),
                Operand::Result(result) => {
                    Source::Elements(&registers[self.registers[result]][..output.len()])
                }
            };
            let operands = instruction.operands.map(source);
            if index == last {
                perform(instruction.operation, operands, output);
            } else {
                perform(instruction.operation, operands, &mut target[..output.len()]);
            }
            registers[self.registers[index]] = target;
        }
    }
}

/// Performs an operation for each element of `target`.
fn perform(operation: Operation, operands: [Source; 4], target: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the feature.
        unsafe { perform_with_avx2(operation, operands, target) };
        return;
    }
    perform_inlined(operation, operands, target);
}

/// [`perform_inlined`], compiled for processors with AVX2: with registers of eight elements instead of four.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn perform_with_avx2(operation: Operation, operands: [Source; 4], target: &mut [f32]) {
    perform_inlined(operation, operands, target);
}

#[inline(always)]
fn perform_inlined(
    operation: Operation,
    [first, second, third, fourth]: [Source; 4],
    target: &mut [f32],
) {
    // All bits or none. A choice between numbers would be compiled to one instruction per element.
    let kept = |number: f32, is_kept: bool| {
        f32::from_bits(number.to_bits() & u32::from(is_kept).wrapping_neg())
    };
    let flag = |is_true| kept(1.0, is_true);
    let number = |source: Source| match source {
        Source::Number(number) => number,
        // No program has elements there.
        Source::Elements(_) => f32::NAN,
    };
    let [third, fourth] = [third, fourth].map(number);
    let operands = [first, second];
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
        Operation::Abs => combine([first, first], target, |a, _| a.abs()),
        Operation::Sqrt => combine([first, first], target, |a, _| a.sqrt()),
        Operation::HardSigmoid => combine([first, first], target, |a, _| {
            let value = third * a + fourth;
            let value = if value > 1.0 { 1.0 } else { value };
            if value < 0.0 { 0.0 } else { value }
        }),
        Operation::Between => combine(operands, target, |a, b| {
            kept(a, is_between(b, third, fourth))
        }),
    }
}

/// Writes `f` of both operands.
#[inline(always)]
fn combine([first, second]: [Source; 2], target: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    match (first, second) {
        (Source::Elements(first), Source::Elements(second)) => {
            for ((target, a), b) in target.iter_mut().zip(first).zip(second) {
                *target = f(*a, *b);
            }
        }
        (Source::Elements(first), Source::Number(b)) => {
            for (target, a) in target.iter_mut().zip(first) {
                *target = f(*a, b);
            }
        }
        (Source::Number(a), Source::Elements(second)) => {
            for (target, b) in target.iter_mut().zip(second) {
                *target = f(a, *b);
            }
        }
        (Source::Number(a), Source::Number(b)) => target.fill(f(a, b)),
    }
}
