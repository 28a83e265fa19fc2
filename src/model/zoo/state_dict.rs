//! A PyTorch state dictionary, read from the legacy (non-zip) format of `torch.save`: a magic number, a protocol
//! number, facts about the machine, the object with its tensors, the storages' keys (five pickles), then each storage's
//! element count and raw data. Used by the builders of [`super`] alone.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::Error;
use super::pickle::{self, Global, Id, Object, Pickle, Reader};
use crate::onnx::{ElementType, proto::TensorProto};

const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const PROTOCOL: i128 = 1001;

/// Maximum rank of a tensor.
const MAX_RANK: usize = 8;

/// A tensor, contiguous in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Empty for a scalar.
    pub shape: Vec<usize>,
    /// The element type of the file; `data` always is float32.
    pub elem: ElementType,
    /// The elements.
    pub data: Vec<f32>,
}

/// The tensors of a checkpoint by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateDict(BTreeMap<String, Tensor>);

impl StateDict {
    /// Reads the content of a `.pth` file. Tensors together have at most as many elements as the
    /// file has bytes, so memory is bounded by a few times the file's size.
    ///
    /// # Errors
    /// An [`Error`] with the position in the file; never panics, whatever the bytes.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let magic = pickle::read(&mut reader).map_err(|_| Error::NotACheckpoint)?;
        if magic.int(magic.root) != Some(MAGIC) {
            return Err(Error::NotACheckpoint);
        }
        let protocol = pickle::read(&mut reader)?;
        if protocol.int(protocol.root) != Some(PROTOCOL) {
            return Err(Error::NotACheckpoint);
        }
        require_little_endian(&pickle::read(&mut reader)?)?;
        let at = reader.position();
        let object = pickle::read(&mut reader)?;
        let views = Views::collect(&object, at)?;
        let storages = read_storages(&mut reader, &views.storages)?;
        if !reader.is_at_end() {
            return Err(Error::TrailingBytes {
                at: reader.position(),
            });
        }
        views.gather(&storages, bytes.len())
    }

    /// Takes a tensor of the shape `shape` out of the dictionary.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::WrongShape`], with the tensor's name.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, Error> {
        let tensor = self.0.remove(name).ok_or(Error::MissingTensor {
            name: name.to_owned(),
        })?;
        if tensor.shape != shape {
            return Err(Error::WrongShape {
                name: name.to_owned(),
                found: tensor.shape,
                expected: shape.to_vec(),
            });
        }
        Ok(tensor)
    }

    /// Checks that every tensor was taken.
    ///
    /// # Errors
    /// [`Error::UnusedTensor`] with the first remaining one.
    pub fn finish(self) -> Result<(), Error> {
        match self.0.into_keys().next() {
            Some(name) => Err(Error::UnusedTensor { name }),
            None => Ok(()),
        }
    }

    /// The tensors by name, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }
}

impl FromIterator<(String, Tensor)> for StateDict {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(tensors: I) -> Self {
        Self(tensors.into_iter().collect())
    }
}

fn require_little_endian(machine: &Pickle) -> Result<(), Error> {
    let facts = machine.dict(machine.root).ok_or(Error::NotACheckpoint)?;
    let little = facts
        .iter()
        .find(|(key, _)| machine.text(*key) == Some("little_endian"))
        .is_some_and(|(_, value)| matches!(machine.get(*value), Object::Bool(true)));
    if little {
        Ok(())
    } else {
        Err(Error::BigEndian)
    }
}

/// A storage as declared in the object pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Storage {
    elem: ElementType,
    elements: usize,
}

/// A tensor as a view of a storage; offset and strides count elements.
struct View<'a> {
    name: &'a str,
    storage: &'a str,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

struct Views<'a> {
    views: Vec<View<'a>>,
    storages: HashMap<&'a str, Storage>,
}

impl<'a> Views<'a> {
    /// Finds every tensor that the pickle, which began at `at`, names at its top level.
    fn collect(pickle: &Pickle<'a>, at: usize) -> Result<Self, Error> {
        let malformed = |why| Error::Malformed { at, why };
        let entries = pickle.dict(pickle.root);
        let entries = entries.ok_or(malformed("the object is not a state dictionary"))?;
        let mut found = Self {
            views: Vec::with_capacity(entries.len()),
            storages: HashMap::new(),
        };
        for (key, value) in entries {
            let name = pickle.text(*key);
            let name = name.ok_or(malformed("a key of the state dictionary is not a text"))?;
            let view = found.view(pickle, name, *value).ok_or(Error::NotATensor {
                name: name.to_owned(),
            })?;
            found.views.push(view);
        }
        Ok(found)
    }

    /// Reads the arguments of `_rebuild_tensor_v2`: storage, offset, shape, strides, and more that does not matter
    /// here.
    fn view(&mut self, pickle: &Pickle<'a>, name: &'a str, value: Id) -> Option<View<'a>> {
        let Object::Tensor(arguments) = *pickle.get(value) else {
            return None;
        };
        let &[storage, offset, shape, strides, ..] = pickle.tuple(arguments)? else {
            return None;
        };
        let counts = |id| -> Option<Vec<usize>> {
            let parts = pickle.tuple(id).filter(|parts| parts.len() <= MAX_RANK)?;
            parts.iter().map(|part| pickle.count(*part)).collect()
        };
        let (shape, strides) = (counts(shape)?, counts(strides)?);
        if shape.len() != strides.len() {
            return None;
        }
        Some(View {
            name,
            storage: self.storage(pickle, storage)?,
            offset: pickle.count(offset)?,
            shape,
            strides,
        })
    }

    /// Reads a persistent id: the word "storage", type, key, device, element count, and a view that must be none.
    fn storage(&mut self, pickle: &Pickle<'a>, id: Id) -> Option<&'a str> {
        let Object::Persistent(parts) = *pickle.get(id) else {
            return None;
        };
        let &[word, class, key, _device, elements, view] = pickle.tuple(parts)? else {
            return None;
        };
        let Object::Global(Global::Storage(elem)) = *pickle.get(class) else {
            return None;
        };
        if pickle.text(word) != Some("storage") || !matches!(pickle.get(view), Object::None) {
            return None;
        }
        let key = pickle.text(key)?;
        let elements = pickle.count(elements)?;
        let storage = Storage { elem, elements };
        (*self.storages.entry(key).or_insert(storage) == storage).then_some(key)
    }

    /// Copies every view out of its storage, making at most `budget` elements.
    fn gather(self, storages: &HashMap<&str, Vec<f32>>, budget: usize) -> Result<StateDict, Error> {
        let mut left = budget;
        let mut tensors = BTreeMap::new();
        for view in self.views {
            let elements =
                view.elements()
                    .filter(|count| *count <= left)
                    .ok_or(Error::HugeTensor {
                        name: view.name.to_owned(),
                    })?;
            left -= elements;
            let data = storages
                .get(view.storage)
                .and_then(|storage| view.copy(storage, elements))
                .ok_or(Error::OutsideStorage {
                    name: view.name.to_owned(),
                })?;
            let tensor = Tensor {
                elem: self.storages[view.storage].elem,
                shape: view.shape,
                data,
            };
            if tensors.insert(view.name.to_owned(), tensor).is_some() {
                return Err(Error::DuplicateTensor {
                    name: view.name.to_owned(),
                });
            }
        }
        Ok(StateDict(tensors))
    }
}

impl View<'_> {
    fn elements(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1usize, |product, size| product.checked_mul(*size))
    }

    /// The elements in row-major order; `None` if one lies outside the storage.
    fn copy(&self, storage: &[f32], elements: usize) -> Option<Vec<f32>> {
        if elements == 0 {
            return Some(Vec::new());
        }
        // The element farthest into the storage is the one with the largest index in every dimension.
        let last = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(self.offset, |place, (size, stride)| {
                place.checked_add(stride.checked_mul(size - 1)?)
            })?;
        if last >= storage.len() {
            return None;
        }
        let mut data = Vec::with_capacity(elements);
        let mut index = vec![0; self.shape.len()];
        let mut place = self.offset;
        for _ in 0..elements {
            data.push(storage[place]);
            // Increments the index like an odometer, the last dimension fastest.
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                place += self.strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                place -= self.strides[axis] * self.shape[axis];
                index[axis] = 0;
            }
        }
        Some(data)
    }
}

/// Reads the list of keys and then each storage's bytes, whose number must match the object pickle.
fn read_storages<'a>(
    reader: &mut Reader<'a>,
    announced: &HashMap<&'a str, Storage>,
) -> Result<HashMap<&'a str, Vec<f32>>, Error> {
    let at = reader.position();
    let malformed = |why| Error::Malformed { at, why };
    let pickle = pickle::read(reader)?;
    let keys = pickle.list(pickle.root);
    let keys = keys.ok_or(malformed("the storages' keys are not a list"))?;
    let mut storages = HashMap::new();
    for key in keys {
        let key = pickle.text(*key);
        let key = key.ok_or(malformed("a storage's key is not a text"))?;
        let storage = announced.get(key);
        let storage = storage.ok_or(malformed("a storage belongs to no tensor"))?;
        let at = reader.position();
        let count = i64::from_le_bytes(reader.array()?);
        if usize::try_from(count) != Ok(storage.elements) {
            return Err(Error::Malformed {
                at,
                why: "a storage does not have the element count that was announced",
            });
        }
        let size = storage.elements.checked_mul(storage.elem.size());
        let bytes = reader.take(size.ok_or(Error::Truncated { at })?)?;
        if storages.insert(key, decode(storage.elem, bytes)).is_some() {
            return Err(malformed("a storage key is duplicated"));
        }
    }
    Ok(storages)
}

/// The elements of a storage as float32.
fn decode(elem: ElementType, bytes: &[u8]) -> Vec<f32> {
    let tensor = TensorProto {
        dims: vec![(bytes.len() / elem.size()) as i64],
        data_type: elem.code(),
        raw_data: Some(Bytes::copy_from_slice(bytes)),
        ..Default::default()
    };
    tensor
        .to_f32()
        .expect("the dimension was made from the bytes")
}

#[cfg(test)]
mod tests;
