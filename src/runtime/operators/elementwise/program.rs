//! Programs of element-wise operations: what a connected group of element-wise nodes computes for one element.

use crate::onnx::Attribute;
use crate::onnx::proto::{AttributeProto, NodeProto};

/// The attribute with five integers per instruction: operation, and four operands.
pub const INSTRUCTIONS: &str = "instructions";

/// The attribute with the numbers that operands refer to.
pub const NUMBERS: &str = "numbers";

/// An operation of up to four operands. The third and the fourth are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Add,
    Sub,
    Mul,
    Div,
    /// Not a number if either operand is none, as for [`Operation::Min`].
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
    /// The first operand where the second is greater than the third and less than the fourth; else 0. An infinite
    /// bound is none.
    Between,
    Exp,
    Erf,
    Sigmoid,
}

/// The operations in the order of their codes.
const OPERATIONS: [Operation; 16] = [
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
    Operation::Exp,
    Operation::Erf,
    Operation::Sigmoid,
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
    /// Then the result is 0 where the comparison is, even if the other factor is not finite.
    pub fn simplified(mut self) -> Self {
        for index in 0..self.instructions.len() {
            let mut operands = self.instructions[index].operands;
            for operand in &mut operands {
                *operand = self.source(*operand);
            }
            self.instructions[index].operands = operands;
            let simpler = self.product_by_comparison(index);
            if let Some(simpler) = simpler.or_else(|| self.sigmoid_of_number(index)) {
                self.instructions[index] = simpler;
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

    /// A hard sigmoid of a number that is kept between bounds, as such a number itself.
    fn sigmoid_of_number(&self, index: usize) -> Option<Instruction> {
        let Instruction {
            operation: Operation::HardSigmoid,
            operands: [value, _, Operand::Number(alpha), Operand::Number(beta)],
        } = self.instructions[index]
        else {
            return None;
        };
        let between = *self.result(value)?;
        let (Operation::Between, [Operand::Number(kept), value, low, high]) =
            (between.operation, between.operands)
        else {
            return None;
        };
        let is_zero_elsewhere = hard_sigmoid(0.0, alpha, beta).to_bits() == 0;
        let kept = Operand::Number(hard_sigmoid(kept, alpha, beta));
        is_zero_elsewhere.then_some(Instruction {
            operation: Operation::Between,
            operands: [kept, value, low, high],
        })
    }

    /// What a comparison with a number keeps.
    fn bounds(&self, operand: Operand) -> Option<Bounds<Operand>> {
        let instruction = self.result(operand)?;
        match (instruction.operation, instruction.operands) {
            (Operation::Greater, [value, Operand::Number(low), ..]) if low.is_finite() => {
                Some(Bounds {
                    kept: Operand::Number(1.0),
                    value,
                    low,
                    high: f32::INFINITY,
                })
            }
            (Operation::Less, [value, Operand::Number(high), ..]) if high.is_finite() => {
                Some(Bounds {
                    kept: Operand::Number(1.0),
                    value,
                    low: f32::NEG_INFINITY,
                    high,
                })
            }
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

    /// The operands of a program that is one [`Operation::Between`] of two inputs; `None` for any other program.
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

/// `max(0, min(1, alpha · value + beta))`.
#[inline(always)]
pub fn hard_sigmoid(value: f32, alpha: f32, beta: f32) -> f32 {
    let value = alpha * value + beta;
    let value = if value > 1.0 { 1.0 } else { value };
    if value < 0.0 { 0.0 } else { value }
}

/// The operands of [`Operation::Between`]; those that are not numbers are of the type `T`.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<T> {
    pub kept: T,
    pub value: T,
    pub low: f32,
    pub high: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slope of a hard swish: a number between two bounds, passed through a hard sigmoid.
    fn slope(beta: f32) -> Vec<Instruction> {
        let [value, number] = [Operand::Input(0), Operand::Number(0.25)];
        let between = Instruction {
            operation: Operation::Between,
            operands: [number, value, Operand::Number(-3.0), Operand::Number(3.0)],
        };
        let sigmoid = Instruction {
            operation: Operation::HardSigmoid,
            operands: [
                Operand::Result(0),
                number,
                Operand::Number(0.5),
                Operand::Number(beta),
            ],
        };
        let program = Program {
            instructions: vec![between, sigmoid],
        };
        program.simplified().instructions
    }

    #[test]
    fn a_sigmoid_of_a_number_between_bounds_is_a_number_between_bounds() {
        let [instruction] = slope(0.0)[..] else {
            panic!("one instruction")
        };
        assert_eq!(instruction.operation, Operation::Between);
        assert_eq!(instruction.operands[0], Operand::Number(0.125));
    }

    #[test]
    fn a_sigmoid_that_is_not_0_for_0_stays() {
        assert_eq!(slope(0.5).len(), 2);
    }
}
