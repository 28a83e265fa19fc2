//! kitty's graphics protocol: a picture is sent as a PNG with a number, then placed in an area of cells, scaled by
//! the terminal. `q=2` suppresses responses, `C=1` keeps the cursor's position.

use crate::terminal::Area;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Maximum base64 characters per command, a multiple of 4.
const CHUNK: usize = 4096;

/// The commands that send a PNG with a number (not 0), replacing a picture of this number. They must not be
/// interleaved with other commands of the protocol.
pub fn transmit(number: u32, png: &[u8]) -> Vec<Vec<u8>> {
    let text = BASE64_STANDARD.encode(png);
    let chunks: Vec<&[u8]> = text.as_bytes().chunks(CHUNK).collect();
    let command = |(index, chunk): (usize, &&[u8])| {
        let more = u8::from(index + 1 < chunks.len());
        let keys = match index {
            0 => format!("a=t,f=100,t=d,i={number},q=2,m={more}"),
            _ => format!("m={more},q=2"),
        };
        [b"\x1b_G", keys.as_bytes(), b";", chunk, b"\x1b\\"].concat()
    };
    chunks.iter().enumerate().map(command).collect()
}

/// A part of a picture in its pixels: position and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub from: (u32, u32),
    pub size: (u32, u32),
}

/// The command that places a picture, or a part of it, at the cursor, scaled to an area. `place` (not 0) is the
/// placement id: an existing placement is replaced.
pub fn place(number: u32, place: usize, area: Area, cut: Option<Cut>) -> Vec<u8> {
    let Area { width, height, .. } = area;
    let part = cut.map_or_else(String::new, |Cut { from, size }| {
        format!(",x={},y={},w={},h={}", from.0, from.1, size.0, size.1)
    });
    format!("\x1b_Ga=p,i={number},p={place},c={width},r={height}{part},C=1,q=2\x1b\\").into_bytes()
}

/// The command that deletes a placement and keeps the picture in the terminal's memory.
pub fn take(number: u32, place: usize) -> Vec<u8> {
    format!("\x1b_Ga=d,d=i,i={number},p={place},q=2\x1b\\").into_bytes()
}

/// The command that creates a virtual placement for placeholders: the picture is scaled to the area's cells and
/// shown where the placeholders are.
pub fn place_virtually(number: u32, area: Area) -> Vec<u8> {
    let Area { width, height, .. } = area;
    format!("\x1b_Ga=p,U=1,i={number},p=1,c={width},r={height},C=1,q=2\x1b\\").into_bytes()
}

/// The command that deletes a picture from the screen and from the terminal's memory.
pub fn delete(number: u32) -> Vec<u8> {
    format!("\x1b_Ga=d,d=I,i={number},q=2\x1b\\").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys and payload of each command, as a terminal parses them.
    fn read(bytes: &[u8]) -> Vec<(String, String)> {
        let text = std::str::from_utf8(bytes).unwrap();
        let commands = text.split_terminator("\x1b\\").map(|command| {
            let command = command.strip_prefix("\x1b_G").unwrap();
            let (keys, payload) = command.split_once(';').unwrap_or((command, ""));
            (keys.to_string(), payload.to_string())
        });
        commands.collect()
    }

    #[test]
    fn the_chunks_concatenate_to_the_file() {
        for length in [1, 3071, 3072, 3073, 6144, 50_000] {
            let file: Vec<u8> = (0..length).map(|index| (index * 7) as u8).collect();
            let commands = read(&transmit(5, &file).concat());
            let payload: String = commands
                .iter()
                .map(|(_, payload)| payload.as_str())
                .collect();
            assert_eq!(BASE64_STANDARD.decode(payload).unwrap(), file);
            assert!(commands.iter().all(|(_, payload)| payload.len() <= 4096));
            assert!(commands[0].0.starts_with("a=t,f=100,t=d,i=5,q=2"));
            let more: Vec<bool> = commands
                .iter()
                .map(|(keys, _)| keys.contains("m=1"))
                .collect();
            assert!(more.iter().rev().skip(1).all(|more| *more) && !more[more.len() - 1]);
        }
    }

    #[test]
    fn placing_scales_to_cells_and_leaves_the_cursor() {
        let area = Area {
            x: 9,
            y: 9,
            width: 40,
            height: 20,
        };
        assert_eq!(
            read(&place(7, 1, area, None))[0].0,
            "a=p,i=7,p=1,c=40,r=20,C=1,q=2"
        );
        let cut = Cut {
            from: (3, 0),
            size: (50, 60),
        };
        assert_eq!(
            read(&place(7, 2, area, Some(cut)))[0].0,
            "a=p,i=7,p=2,c=40,r=20,x=3,y=0,w=50,h=60,C=1,q=2"
        );
        assert_eq!(read(&take(7, 2))[0].0, "a=d,d=i,i=7,p=2,q=2");
        assert_eq!(
            read(&place_virtually(7, area))[0].0,
            "a=p,U=1,i=7,p=1,c=40,r=20,C=1,q=2"
        );
        assert_eq!(read(&delete(7))[0].0, "a=d,d=I,i=7,q=2");
    }
}
