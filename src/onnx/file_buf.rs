//! A [`bytes::Buf`] over a file, for decoding it while it is read. Tensor data are copied once, from the file into
//! buffers of their own, which are aligned; the file is never completely in memory.

use bytes::{Buf, Bytes};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Tensor data begin at a multiple of this address: kernels read them faster, and a session can compute with them in
/// place.
pub const ALIGNMENT: usize = 64;

/// Bytes of the file in memory at a time.
const WINDOW: usize = 1 << 18;

/// The remaining part of a file.
pub struct FileBuf {
    file: File,
    window: Vec<u8>,
    /// Position within the window.
    position: usize,
    /// Remaining bytes, including those in the window.
    remaining: usize,
    /// The first read error. Bytes that could not be read are zeros.
    failure: Option<io::Error>,
}

impl FileBuf {
    /// Opens the file `path` of at most `max_size` bytes.
    ///
    /// # Errors
    /// If it cannot be read; [`io::ErrorKind::FileTooLarge`] if it is larger.
    pub fn open(path: &Path, max_size: u64) -> io::Result<Self> {
        let file = crate::files::open(path)?;
        let size = file.metadata()?.len();
        let remaining = usize::try_from(size).ok().filter(|_| size <= max_size);
        let remaining = remaining
            .ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, size.to_string()))?;
        let mut buffer = Self {
            file,
            window: Vec::new(),
            position: 0,
            remaining,
            failure: None,
        };
        buffer.refill();
        Ok(buffer)
    }

    /// Checks that every byte was read.
    ///
    /// # Errors
    /// The first read error.
    pub fn end(self) -> io::Result<()> {
        self.failure.map_or(Ok(()), Err)
    }

    fn refill(&mut self) {
        let mut window = std::mem::take(&mut self.window);
        window.resize(WINDOW.min(self.remaining), 0);
        self.read(&mut window);
        (self.window, self.position) = (window, 0);
    }

    fn read(&mut self, into: &mut [u8]) {
        if let Err(error) = self.file.read_exact(into) {
            into.fill(0);
            self.failure.get_or_insert(error);
        }
    }
}

impl Buf for FileBuf {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        &self.window[self.position..]
    }

    fn advance(&mut self, count: usize) {
        let mut count = count;
        while count > 0 {
            let step = count.min(self.window.len() - self.position);
            assert!(step > 0, "cannot advance past the end");
            self.position += step;
            self.remaining -= step;
            count -= step;
            if self.position == self.window.len() && self.remaining > 0 {
                self.refill();
            }
        }
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        assert!(count <= self.remaining, "cannot advance past the end");
        let mut buffer = vec![0; count + ALIGNMENT];
        let start = buffer.as_ptr().align_offset(ALIGNMENT);
        let copy = &mut buffer[start..start + count];
        let buffered = count.min(self.window.len() - self.position);
        copy[..buffered].copy_from_slice(&self.window[self.position..self.position + buffered]);
        self.read(&mut copy[buffered..]);
        self.position += buffered;
        self.remaining -= count;
        if self.position == self.window.len() && self.remaining > 0 {
            self.refill();
        }
        Bytes::from(buffer).slice(start..start + count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_in_chunks_of_any_size_returns_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let expected: Vec<u8> = (0..3 * WINDOW + 17)
            .map(|index| (index % 251) as u8)
            .collect();
        std::fs::write(&path, &expected).unwrap();
        for chunk in [1000, WINDOW, WINDOW + 1, 2 * WINDOW + 5] {
            let mut buffer = FileBuf::open(&path, u64::MAX).unwrap();
            let mut result = Vec::new();
            for step in 0.. {
                let count = chunk.min(buffer.remaining());
                if count == 0 {
                    break;
                }
                if step % 2 == 0 {
                    let copy = buffer.copy_to_bytes(count);
                    assert_eq!(copy.as_ptr().align_offset(ALIGNMENT), 0);
                    result.extend_from_slice(&copy);
                } else {
                    let mut part = vec![0; count];
                    buffer.copy_to_slice(&mut part);
                    result.extend(part);
                }
            }
            assert!(result == expected, "in chunks of {chunk}");
            buffer.end().unwrap();
        }
    }

    #[test]
    fn a_file_truncated_while_it_is_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, vec![1; 4 * WINDOW]).unwrap();
        assert!(FileBuf::open(&path, 100).is_err());
        let mut buffer = FileBuf::open(&path, u64::MAX).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(10)
            .unwrap();
        buffer.advance(4 * WINDOW);
        assert!(buffer.end().is_err());
    }
}
