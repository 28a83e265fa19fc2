//! Reads bytes, numbers and text of a checkpoint, with every length checked.

use super::malformed;
use crate::model::zoo::Error;

/// Maximum length of the module and name of a global, in bytes.
const MAX_GLOBAL: usize = 256;

/// The bytes of a checkpoint, and the position of the next one.
#[derive(Debug)]
pub(in crate::model::zoo) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(in crate::model::zoo) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(in crate::model::zoo) fn position(&self) -> usize {
        self.at
    }

    pub(in crate::model::zoo) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The next `count` bytes; nothing is copied, so a huge count costs nothing.
    pub(in crate::model::zoo) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let taken = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.get(..count))
            .ok_or(Error::Truncated { at: self.at })?;
        self.at += count;
        Ok(taken)
    }

    pub(in crate::model::zoo) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Error> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u32_count(&mut self) -> Result<usize, Error> {
        let count = u32::from_le_bytes(self.array()?);
        usize::try_from(count).map_err(|_| Error::Truncated { at: self.at })
    }

    pub(super) fn text(&mut self, count: usize) -> Result<&'a str, Error> {
        let at = self.at;
        std::str::from_utf8(self.take(count)?).map_err(|_| malformed(at, "a text is not UTF-8"))
    }

    /// Two lines, module and name, as one text `module name`.
    pub(super) fn global(&mut self) -> Result<String, Error> {
        let at = self.at;
        let rest = &self.bytes[at..self.bytes.len().min(at + MAX_GLOBAL)];
        let mut ends = rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let (Some((module, _)), Some((name, _))) = (ends.next(), ends.next()) else {
            return Err(malformed(at, "the name of a global does not end"));
        };
        let text = self.text(name + 1)?;
        Ok(format!("{} {}", &text[..module], &text[module + 1..name]))
    }
}
