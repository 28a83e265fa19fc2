//! Programs of element-wise operations: what a connected group of element-wise nodes computes for one element, evaluated
//! for a tile of elements at a time.

use crate::onnx::Attribute;
use crate::onnx::proto::{AttributeProto, NodeProto};

/// The attribute with five integers per instruction: operation, and four operands.
pub const INSTRUCTIONS: &str = "instructions";

/// The attribute with the numbers that operands refer to.
pub const NUMBERS: &str = "numbers";

/// Elements that are evaluated at a time. The registers of most programs fit into the first cache of a processor.
const TILE: usize = 1024;

/// An operation of up to four operands. The third and the fourth are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Add,
    Sub,
    Mul,
    Div,
    /// The first operand if either is not a number, as for [`Operation::Min`].
    Max,
    Min,
    /// 1 or 0, as for the other comparisons.
    Greater,
    Less,
    Equal,
    Abs,
    Sqrt,
    /// `max(0, min(1, alpha · a + beta))`, where alpha and beta are the third and the fourth operand.
    HardSigmoid,
    /// The first operand where the second is greater than the third and less than the fourth; else 0.
    Between,
}

/// The operations in the order of their codes.
const OPERATIONS: [Operation; 13] = [
    Operation::Add,
    Operation::Sub,
    Operation::Mul,
    Operation::Div,
    Operation::Max,
    Operation::Min,
    Operation::Greater,
    Operation::Less,
    Operation::Equal,
    Operation::Abs,
    Operation::Sqrt,
    Operation::HardSigmoid,
    Operation::Between,
];

/// What an instruction computes with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operand {
    /// An input of the program.
    Input(usize),
    /// The result of an earlier instruction.
    Result(usize),
    Number(f32),
}

/// An operation and its operands, as many as it has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Instruction {
    pub operation: Operation,
    pub operands: [Operand; 4],
}

impl Instruction {
    /// An operation of two operands.
    pub fn binary(operation: Operation, first: Operand, second: Operand) -> Self {
        let none = Operand::Number(0.0);
        Self {
            operation,
            operands: [first, second, none, none],
        }
    }
}

/// Instructions, of which the last one computes the result of the program.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Program {
    pub instructions: Vec<Instruction>,
}

impl Program {
    /// The attributes that [`Program::from_attributes`] reads.
    pub fn attributes(&self) -> Vec<AttributeProto> {
        let mut numbers = Vec::new();
        let mut codes = Vec::with_capacity(5 * self.instructions.len());
        for Instruction {
            operation,
            operands,
        } in &self.instructions
        {
            codes.push(*operation as i64);
            codes.extend(operands.map(|operand| match operand {
                Operand::Input(index) => 2 * index as i64,
                Operand::Result(index) => 2 * index as i64 + 1,
                Operand::Number(number) => {
                    numbers.push(number);
                    -(numbers.len() as i64)
                }
            }));
        }
        vec![
            Attribute::from(codes).named(INSTRUCTIONS),
            Attribute::from(numbers).named(NUMBERS),
        ]
    }

    /// The program of a node of a graph, as [`Program::from_attributes`].
    pub fn of_node(node: &NodeProto) -> Option<Self> {
        let numbers = node.attribute_named(NUMBERS)?;
        Self::from_attributes(node.ints(INSTRUCTIONS)?, &numbers.floats)
    }

    /// The program of attributes; `None` if it is empty, or an instruction refers to what does not precede it.
    pub fn from_attributes(codes: &[i64], numbers: &[f32]) -> Option<Self> {
        let operand = |code: i64, earlier: usize| match usize::try_from(code) {
            Ok(code) if code % 2 == 0 => Some(Operand::Input(code / 2)),
            Ok(code) => (code / 2 < earlier).then_some(Operand::Result(code / 2)),
            Err(_) => {
                let place = usize::try_from(-(code + 1)).ok()?;
                numbers.get(place).copied().map(Operand::Number)
            }
        };
        let (codes, rest) = codes.as_chunks::<5>();
        if codes.is_empty() || !rest.is_empty() {
            return None;
        }
        let instructions = codes
            .iter()
            .enumerate()
            .map(|(index, [code, operands @ ..])| {
                let [first, second, third, fourth] = operands.map(|code| operand(code, index));
                let bounds = [third?, fourth?];
                let are_numbers = (bounds.iter()).all(|bound| matches!(bound, Operand::Number(_)));
                are_numbers.then_some(Instruction {
                    operation: *OPERATIONS.get(usize::try_from(*code).ok()?)?,
                    operands: [first?, second?, bounds[0], bounds[1]],
                })
            });
        Some(Self {
            instructions: instructions.collect::<Option<_>>()?,
        })
    }

    /// The program with products by comparisons as [`Operation::Between`], without what its result does not depend on.
    /// Where such a factor is 0, so is the product, even of what is not finite.
    pub fn simplified(mut self) -> Self {
        for index in 0..self.instructions.len() {
            let mut operands = self.instructions[index].operands;
            for operand in &mut operands {
                *operand = self.source(*operand);
            }
            self.instructions[index].operands = operands;
            if let Some(between) = self.product_by_comparison(index) {
                self.instructions[index] = between;
            }
        }
        self.without_last_copy().without_unused()
    }

    /// The operand, or what it is a copy of.
    fn source(&self, operand: Operand) -> Operand {
        match self
            .result(operand)
            .map(|instruction| (instruction.operation, instruction.operands))
        {
            Some((Operation::Mul, [source, Operand::Number(1.0), ..])) => source,
            _ => operand,
        }
    }

    /// The program up to the result that the last instruction copies.
    fn without_last_copy(mut self) -> Self {
        let last = self.instructions.len().saturating_sub(1);
        if let Operand::Result(source) = self.source(Operand::Result(last))
            && source != last
        {
            self.instructions.truncate(source + 1);
        }
        self
    }

    fn result(&self, operand: Operand) -> Option<&Instruction> {
        match operand {
            Operand::Result(index) => Some(&self.instructions[index]),
            _ => None,
        }
    }

    /// A product by a comparison as one instruction, together with another comparison of the same value.
    fn product_by_comparison(&self, index: usize) -> Option<Instruction> {
        let product = &self.instructions[index];
        let [first, second, ..] = product.operands;
        if product.operation != Operation::Mul {
            return None;
        }
        let (kept, bounds) =
            [(first, second), (second, first)]
                .into_iter()
                .find_map(|(kept, flags)| {
                    let bounds = self
                        .bounds(flags)
                        .filter(|bounds| bounds.kept == Operand::Number(1.0));
                    Some((kept, bounds?))
                })?;
        let merged = match self.bounds(kept) {
            Some(others) if others.value == bounds.value => Bounds {
                low: bounds.low.max(others.low),
                high: bounds.high.min(others.high),
                ..others
            },
            _ => Bounds { kept, ..bounds },
        };
        let [low, high] = [merged.low, merged.high].map(Operand::Number);
        Some(Instruction {
            operation: Operation::Between,
            operands: [merged.kept, merged.value, low, high],
        })
    }

    /// What a comparison with a number keeps.
    fn bounds(&self, operand: Operand) -> Option<Bounds<Operand>> {
        let instruction = self.result(operand)?;
        match (instruction.operation, instruction.operands) {
            (Operation::Greater, [value, Operand::Number(low), ..]) => Some(Bounds {
                kept: Operand::Number(1.0),
                value,
                low,
                high: f32::INFINITY,
            }),
            (Operation::Less, [value, Operand::Number(high), ..]) => Some(Bounds {
                kept: Operand::Number(1.0),
                value,
                low: f32::NEG_INFINITY,
                high,
            }),
            (Operation::Between, [kept, value, Operand::Number(low), Operand::Number(high)]) => {
                Some(Bounds {
                    kept,
                    value,
                    low,
                    high,
                })
            }
            _ => None,
        }
    }

    /// The bounds that the program is, and the inputs that it keeps and compares; `None` if it is anything else.
    pub fn only_bounds(&self) -> Option<Bounds<usize>> {
        let [
            Instruction {
                operation: Operation::Between,
                ..
            },
        ] = self.instructions[..]
        else {
            return None;
        };
        let bounds = self.bounds(Operand::Result(0))?;
        match (bounds.kept, bounds.value) {
            (Operand::Input(kept), Operand::Input(value)) => Some(Bounds {
                kept,
                value,
                low: bounds.low,
                high: bounds.high,
            }),
            _ => None,
        }
    }

    fn without_unused(self) -> Self {
        let mut is_used = vec![false; self.instructions.len()];
        if let Some(last) = is_used.last_mut() {
            *last = true;
        }
        for (index, instruction) in self.instructions.iter().enumerate().rev() {
            for operand in instruction.operands {
                if let Operand::Result(result) = operand {
                    is_used[result] |= is_used[index];
                }
            }
        }
        let mut places = Vec::with_capacity(is_used.len());
        let mut instructions: Vec<Instruction> = Vec::new();
        for (instruction, is_used) in self.instructions.into_iter().zip(is_used) {
            places.push(instructions.len());
            if is_used {
                instructions.push(Instruction {
                    operands: instruction.operands.map(|operand| match operand {
                        Operand::Result(result) => Operand::Result(places[result]),
                        other => other,
                    }),
                    ..instruction
                });
            }
        }
        Self { instructions }
    }

    /// Number of inputs: one more than the last one that an instruction reads.
    pub fn inputs(&self) -> usize {
        let operands = self
            .instructions
            .iter()
            .flat_map(|instruction| instruction.operands);
        let inputs = operands.filter_map(|operand| match operand {
            Operand::Input(index) => Some(index + 1),
            _ => None,
        });
        inputs.max().unwrap_or(0)
    }
}

/// The operands of [`Operation::Between`]; those that are not numbers are of the type `T`.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<T> {
    pub kept: T,
    pub value: T,
    pub low: f32,
    pub high: f32,
}

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
        // Programs have none there.
        Source::Elements(_) => f32::NAN,
    };
    let [third, fourth] = [third, fourth].map(number);
    let operands = [first, second];
    match operation {
        Operation::Add => combine(operands, target, |a, b| a + b),
        Operation::Sub => combine(operands, target, |a, b| a - b),
        Operation::Mul => combine(operands, target, |a, b| a * b),
        Operation::Div => combine(operands, target, |a, b| a / b),
        Operation::Max => combine(operands, target, |a, b| if b > a { b } else { a }),
        Operation::Min => combine(operands, target, |a, b| if b < a { b } else { a }),
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
        Operation::Between => combine(operands, target, |a, b| kept(a, (third < b) & (b < fourth))),
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
