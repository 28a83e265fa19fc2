//! A reader with cancellation, for decoders.

use crate::runtime::CancelHandle;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

/// Maximum number of bytes per read; cancellation is checked in between.
const PIECE: usize = 1 << 16;

/// A reader that fails once it is cancelled.
pub struct Stoppable<'a> {
    bytes: Cursor<&'a [u8]>,
    stop: &'a CancelHandle,
}

impl<'a> Stoppable<'a> {
    pub fn new(bytes: &'a [u8], stop: &'a CancelHandle) -> Self {
        let bytes = Cursor::new(bytes);
        Self { bytes, stop }
    }

    fn go_on(&self) -> io::Result<()> {
        if self.stop.is_stopped() {
            Err(stopped())
        } else {
            Ok(())
        }
    }
}

/// The error of a cancelled reader.
pub fn stopped() -> io::Error {
    io::Error::other("stopped")
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.go_on()?;
        let most = buffer.len().min(PIECE);
        self.bytes.read(&mut buffer[..most])
    }
}

impl BufRead for Stoppable<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.go_on()?;
        let rest = self.bytes.fill_buf()?;
        Ok(&rest[..rest.len().min(PIECE)])
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
    }
}

impl Seek for Stoppable<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_in_pieces_until_it_is_stopped() {
        let bytes: Vec<u8> = (0..200_000u32).map(|byte| byte as u8).collect();
        let stop = CancelHandle::default();
        let mut all = Vec::new();
        let mut reader = Stoppable::new(&bytes, &stop);
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, bytes);
        reader.seek(SeekFrom::Start(0)).unwrap();
        assert_eq!(reader.fill_buf().unwrap().len(), PIECE);
        stop.stop();
        assert!(reader.fill_buf().is_err() && reader.read(&mut [0]).is_err());
    }
}
