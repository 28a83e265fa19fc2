//! A pickle reader that only creates plain data: the few opcodes of protocol 2 that PyTorch's `torch.save` writes,
//! and the few globals a state dictionary needs. Nothing is ever imported or called.
//!
//! Objects live in one arena and refer to each other by index, so neither reading nor dropping a hostile pickle
//! recurses, and memory grows with the bytes read, up to [`MAX_OBJECTS`] objects. Used by [`super::state_dict`] alone.

mod reader;

pub(super) use reader::Reader;

use super::Error;
use crate::onnx::ElementType;
use std::collections::HashMap;

/// Maximum number of objects of a pickle. A state dictionary has about thirty per tensor.
const MAX_OBJECTS: usize = 1 << 20;

/// Maximum size of the stack, from which tuples, lists and dictionaries are built.
const MAX_STACK: usize = 1 << 18;

/// The index of an object in its [`Pickle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(usize);

/// The allowed globals of a pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    /// A storage type, by its element type.
    Storage(ElementType),
}

const GLOBALS: [(&str, Global); 13] = [
    ("collections OrderedDict", Global::OrderedDict),
    ("torch._utils _rebuild_tensor_v2", Global::RebuildTensor),
    ("torch._utils _rebuild_parameter", Global::RebuildParameter),
    ("torch DoubleStorage", Global::Storage(ElementType::F64)),
    ("torch FloatStorage", Global::Storage(ElementType::F32)),
    ("torch HalfStorage", Global::Storage(ElementType::F16)),
    ("torch BFloat16Storage", Global::Storage(ElementType::BF16)),
    ("torch LongStorage", Global::Storage(ElementType::I64)),
    ("torch IntStorage", Global::Storage(ElementType::I32)),
    ("torch ShortStorage", Global::Storage(ElementType::I16)),
    ("torch CharStorage", Global::Storage(ElementType::I8)),
    ("torch ByteStorage", Global::Storage(ElementType::U8)),
    ("torch BoolStorage", Global::Storage(ElementType::Bool)),
];

/// An object of a pickle; text borrows from the file.
#[derive(Debug)]
pub(super) enum Object<'a> {
    None,
    Bool(bool),
    /// Wide enough for PyTorch's magic number, which has ten bytes.
    Int(i128),
    Text(&'a str),
    Global(Global),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// In the order of the file; a later entry of the same key does not replace an earlier one.
    Dict(Vec<(Id, Id)>),
    /// A persistent ID: the tuple that names a storage.
    Persistent(Id),
    /// A tensor that `_rebuild_tensor_v2` would make: its argument tuple.
    Tensor(Id),
}

/// A parsed pickle: its objects, and the index of the result.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    objects: Vec<Object<'a>>,
    pub(super) root: Id,
}

impl<'a> Pickle<'a> {
    pub(super) fn get(&self, id: Id) -> &Object<'a> {
        &self.objects[id.0]
    }

    /// The parts of a tuple; `None` if `id` is something else.
    pub(super) fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Object::Tuple(parts) => Some(parts),
            _ => None,
        }
    }

    /// The entries of a list; `None` if `id` is something else.
    pub(super) fn list(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Object::List(entries) => Some(entries),
            _ => None,
        }
    }

    /// The entries of a dictionary; `None` if `id` is something else.
    pub(super) fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Object::Dict(entries) => Some(entries),
            _ => None,
        }
    }

    /// A text; `None` if `id` is something else.
    pub(super) fn text(&self, id: Id) -> Option<&'a str> {
        match *self.get(id) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An integer; `None` if `id` is something else.
    pub(super) fn int(&self, id: Id) -> Option<i128> {
        match *self.get(id) {
            Object::Int(value) => Some(value),
            _ => None,
        }
    }

    /// A non-negative integer; `None` if `id` is something else or does not fit.
    pub(super) fn count(&self, id: Id) -> Option<usize> {
        self.int(id).and_then(|value| usize::try_from(value).ok())
    }
}

fn malformed(at: usize, why: &'static str) -> Error {
    Error::Malformed { at, why }
}

/// Reads one pickle, from the protocol opcode to the stop opcode.
///
/// # Errors
/// [`Error::Truncated`], [`Error::Malformed`], [`Error::ForbiddenGlobal`], [`Error::UnknownOpcode`] or
/// [`Error::TooLarge`]; never a panic, whatever the bytes.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Pickle<'a>, Error> {
    let mut machine = Machine::default();
    loop {
        let at = reader.position();
        let opcode = reader.byte()?;
        if opcode == b'.' {
            let root = machine.pop(at)?;
            let objects = machine.objects;
            return Ok(Pickle { objects, root });
        }
        machine.step(opcode, at, reader)?;
    }
}

#[derive(Default)]
struct Machine<'a> {
    objects: Vec<Object<'a>>,
    stack: Vec<Id>,
    /// Stack positions of the open marks.
    marks: Vec<usize>,
    memo: HashMap<usize, Id>,
}

impl<'a> Machine<'a> {
    fn step(&mut self, opcode: u8, at: usize, reader: &mut Reader<'a>) -> Result<(), Error> {
        match opcode {
            0x80 => match reader.byte()? {
                2 => Ok(()),
                _ => Err(malformed(at, "only pickle protocol 2 is read")),
            },
            b'(' => self.mark(at),
            b'N' => self.push(Object::None, at),
            0x88 => self.push(Object::Bool(true), at),
            0x89 => self.push(Object::Bool(false), at),
            b'K' => self.push(Object::Int(reader.byte()?.into()), at),
            b'M' => self.push(Object::Int(u16::from_le_bytes(reader.array()?).into()), at),
            b'J' => self.push(Object::Int(i32::from_le_bytes(reader.array()?).into()), at),
            0x8a => {
                let count = reader.byte()?.into();
                let value = long(reader.take(count)?)
                    .ok_or(malformed(at, "a whole number has more than 16 bytes"))?;
                self.push(Object::Int(value), at)
            }
            b'X' => {
                let count = reader.u32_count()?;
                self.push(Object::Text(reader.text(count)?), at)
            }
            b'c' => {
                let name = reader.global()?;
                let global = GLOBALS.iter().find(|(known, _)| *known == name);
                let (_, global) = global.ok_or(Error::ForbiddenGlobal { at, name })?;
                self.push(Object::Global(*global), at)
            }
            b')' => self.push(Object::Tuple(Vec::new()), at),
            b']' => self.push(Object::List(Vec::new()), at),
            b'}' => self.push(Object::Dict(Vec::new()), at),
            0x85..=0x87 => {
                let parts = self.pop_many(usize::from(opcode - 0x84), at)?;
                self.push(Object::Tuple(parts), at)
            }
            b't' => {
                let parts = self.pop_to_mark(at)?;
                self.push(Object::Tuple(parts), at)
            }
            b'a' => {
                let entry = self.pop_many(1, at)?;
                self.append(entry, at)
            }
            b'e' => {
                let entries = self.pop_to_mark(at)?;
                self.append(entries, at)
            }
            b's' => {
                let pair = self.pop_many(2, at)?;
                self.set_items(&pair, at)
            }
            b'u' => {
                let pairs = self.pop_to_mark(at)?;
                self.set_items(&pairs, at)
            }
            b'q' => {
                let key = reader.byte()?.into();
                self.remember(key, at)
            }
            b'r' => {
                let key = reader.u32_count()?;
                self.remember(key, at)
            }
            b'h' => {
                let key = reader.byte()?.into();
                self.recall(key, at)
            }
            b'j' => {
                let key = reader.u32_count()?;
                self.recall(key, at)
            }
            b'Q' => {
                let name = self.pop(at)?;
                self.push(Object::Persistent(name), at)
            }
            b'R' => self.reduce(at),
            // The state of an ordered dictionary is PyTorch's version metadata, which is irrelevant.
            b'b' => {
                self.pop(at)?;
                match self.top(at)? {
                    Object::Dict(_) => Ok(()),
                    _ => Err(malformed(
                        at,
                        "a state is set on something not a dictionary",
                    )),
                }
            }
            opcode => Err(Error::UnknownOpcode { at, opcode }),
        }
    }

    fn push(&mut self, object: Object<'a>, at: usize) -> Result<(), Error> {
        if self.objects.len() >= MAX_OBJECTS {
            return Err(Error::TooLarge { at });
        }
        self.objects.push(object);
        self.push_id(Id(self.objects.len() - 1), at)
    }

    fn push_id(&mut self, id: Id, at: usize) -> Result<(), Error> {
        if self.stack.len() >= MAX_STACK {
            return Err(Error::TooLarge { at });
        }
        self.stack.push(id);
        Ok(())
    }

    fn mark(&mut self, at: usize) -> Result<(), Error> {
        if self.marks.len() >= MAX_STACK {
            return Err(Error::TooLarge { at });
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// Values below the last open mark are not accessible until the mark is closed.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop_many(&mut self, count: usize, at: usize) -> Result<Vec<Id>, Error> {
        if self.stack.len() - self.floor() < count {
            return Err(malformed(at, "an opcode finds too few values"));
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    fn pop(&mut self, at: usize) -> Result<Id, Error> {
        self.pop_many(1, at).map(|ids| ids[0])
    }

    fn pop_to_mark(&mut self, at: usize) -> Result<Vec<Id>, Error> {
        let mark = self.marks.pop();
        let mark = mark.ok_or(malformed(at, "an opcode finds no mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn top_id(&self, at: usize) -> Result<Id, Error> {
        self.stack[self.floor()..]
            .last()
            .copied()
            .ok_or(malformed(at, "an opcode finds too few values"))
    }

    fn top(&mut self, at: usize) -> Result<&mut Object<'a>, Error> {
        let id = self.top_id(at)?;
        Ok(&mut self.objects[id.0])
    }

    fn append(&mut self, new: Vec<Id>, at: usize) -> Result<(), Error> {
        match self.top(at)? {
            Object::List(entries) => entries.extend(new),
            _ => {
                return Err(malformed(
                    at,
                    "something is appended that has no list below it",
                ));
            }
        }
        Ok(())
    }

    fn set_items(&mut self, pairs: &[Id], at: usize) -> Result<(), Error> {
        let Object::Dict(entries) = self.top(at)? else {
            return Err(malformed(
                at,
                "an entry is set that has no dictionary below it",
            ));
        };
        if !pairs.len().is_multiple_of(2) {
            return Err(malformed(at, "a dictionary's key has no value"));
        }
        entries.extend(pairs.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        Ok(())
    }

    fn remember(&mut self, key: usize, at: usize) -> Result<(), Error> {
        if self.memo.len() >= MAX_OBJECTS {
            return Err(Error::TooLarge { at });
        }
        let id = self.top_id(at)?;
        self.memo.insert(key, id);
        Ok(())
    }

    fn recall(&mut self, key: usize, at: usize) -> Result<(), Error> {
        let id = self.memo.get(&key).copied();
        self.push_id(
            id.ok_or(malformed(at, "a value is recalled that was never stored"))?,
            at,
        )
    }

    fn reduce(&mut self, at: usize) -> Result<(), Error> {
        let call = self.pop_many(2, at)?;
        let (callee, arguments) = (call[0], call[1]);
        let (Object::Global(callee), Object::Tuple(parts)) =
            (&self.objects[callee.0], &self.objects[arguments.0])
        else {
            return Err(malformed(
                at,
                "a call is not a known name with a tuple of arguments",
            ));
        };
        match (callee, parts.as_slice()) {
            (Global::OrderedDict, []) => self.push(Object::Dict(Vec::new()), at),
            (Global::RebuildTensor, _) => self.push(Object::Tensor(arguments), at),
            (Global::RebuildParameter, [tensor, ..]) => self.push_id(*tensor, at),
            _ => Err(malformed(
                at,
                "a known name is called with unknown arguments",
            )),
        }
    }
}

/// A little-endian number in two's complement; `None` if it does not fit 128 bits.
fn long(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 16];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i128::from_le_bytes(wide))
}

#[cfg(test)]
mod tests;
