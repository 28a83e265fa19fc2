//! A file that is decoded while it is read: what its messages hold is copied once, from the file to where it stays, and
//! the file itself is never in memory as a whole. Weights come to lie where any number may lie.

use bytes::{Buf, Bytes};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// How much of the file is in memory at a time.
const WINDOW: usize = 1 << 18;

/// The part of a file that is still to be decoded.
pub struct FileBuf {
    file: File,
    window: Vec<u8>,
    /// What of the window is decoded already.
    done: usize,
    /// How many bytes are still to be decoded, those of the window included.
    left: usize,
    /// Why zeros stand for what could not be read.
    failure: Option<io::Error>,
}

impl FileBuf {
    /// The file `path`, of at most `most` bytes.
    ///
    /// # Errors
    /// If it cannot be read; of the kind [`io::ErrorKind::FileTooLarge`] if it is larger.
    pub fn open(path: &Path, most: u64) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let left = usize::try_from(size).ok().filter(|_| size <= most);
        let left =
            left.ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, size.to_string()))?;
        let mut stream = Self {
            file,
            window: Vec::new(),
            done: 0,
            left,
            failure: None,
        };
        stream.refill();
        Ok(stream)
    }

    /// Whether all that was decoded was in the file.
    ///
    /// # Errors
    /// What kept it from being read.
    pub fn end(self) -> io::Result<()> {
        self.failure.map_or(Ok(()), Err)
    }

    fn refill(&mut self) {
        let mut window = std::mem::take(&mut self.window);
        window.resize(WINDOW.min(self.left), 0);
        self.read(&mut window);
        (self.window, self.done) = (window, 0);
    }

    fn read(&mut self, into: &mut [u8]) {
        if let Err(problem) = self.file.read_exact(into) {
            into.fill(0);
            self.failure.get_or_insert(problem);
        }
    }
}

impl Buf for FileBuf {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        &self.window[self.done..]
    }

    fn advance(&mut self, count: usize) {
        let mut count = count;
        while count > 0 {
            let step = count.min(self.window.len() - self.done);
            assert!(step > 0, "no more than what remains is decoded");
            self.done += step;
            self.left -= step;
            count -= step;
            if self.done == self.window.len() && self.left > 0 {
                self.refill();
            }
        }
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        assert!(count <= self.left, "no more than what remains is decoded");
        let mut copy = vec![0; count];
        let here = count.min(self.window.len() - self.done);
        copy[..here].copy_from_slice(&self.window[self.done..self.done + here]);
        self.read(&mut copy[here..]);
        self.done += here;
        self.left -= count;
        if self.done == self.window.len() && self.left > 0 {
            self.refill();
        }
        copy.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_in_any_pieces_is_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let whole: Vec<u8> = (0..3 * WINDOW + 17)
            .map(|place| (place % 251) as u8)
            .collect();
        std::fs::write(&path, &whole).unwrap();
        for piece in [1000, WINDOW, WINDOW + 1, 2 * WINDOW + 5] {
            let mut stream = FileBuf::open(&path, u64::MAX).unwrap();
            let mut found = Vec::new();
            for turn in 0.. {
                let count = piece.min(stream.remaining());
                if count == 0 {
                    break;
                }
                if turn % 2 == 0 {
                    found.extend_from_slice(&stream.copy_to_bytes(count));
                } else {
                    let mut part = vec![0; count];
                    stream.copy_to_slice(&mut part);
                    found.extend(part);
                }
            }
            assert!(found == whole, "in pieces of {piece}");
            stream.end().unwrap();
        }
    }

    #[test]
    fn a_file_that_becomes_shorter_meanwhile_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, vec![1; 4 * WINDOW]).unwrap();
        assert!(FileBuf::open(&path, 100).is_err());
        let mut stream = FileBuf::open(&path, u64::MAX).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(10)
            .unwrap();
        stream.advance(4 * WINDOW);
        assert!(stream.end().is_err());
    }
}
