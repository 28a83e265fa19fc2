use proptest::prelude::*;

use super::*;

fn read_all(bytes: &[u8]) -> Result<Pickle<'_>, Error> {
    read(&mut Reader::new(bytes))
}

#[test]
fn a_list_of_names_is_read() {
    let pickle = read_all(b"\x80\x02]q\x00(X\x01\x00\x00\x00aX\x02\x00\x00\x00bce.").unwrap();
    let names = pickle.list(pickle.root).unwrap();
    let names: Vec<_> = names.iter().map(|id| pickle.text(*id).unwrap()).collect();
    assert_eq!(names, ["a", "bc"]);
}

#[test]
fn whole_numbers_of_every_width_keep_their_value() {
    for (bytes, value) in [
        (&b"\x80\x02K\xff."[..], 255),
        (b"\x80\x02M\x00\x01.", 256),
        (b"\x80\x02J\xff\xff\xff\xff.", -1),
        (b"\x80\x02\x8a\x00.", 0),
        (b"\x80\x02\x8a\x01\x80.", -128),
        (b"\x80\x02\x8a\x02\x80\x00.", 128),
    ] {
        let pickle = read_all(bytes).unwrap();
        assert_eq!(pickle.int(pickle.root), Some(value));
    }
}

#[test]
fn a_global_that_is_not_allowed_is_an_error_that_names_it() {
    let error = read_all(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.").unwrap_err();
    assert!(matches!(error, Error::ForbiddenGlobal { at: 2, ref name } if name == "os system"));
    assert!(error.to_string().contains("os system"), "{error}");
}

#[test]
fn an_opcode_cannot_reach_below_an_open_mark() {
    let error = read_all(b"\x80\x02K\x01(K\x02\x86.").unwrap_err();
    assert!(matches!(error, Error::Malformed { at: 7, .. }), "{error}");
}

#[test]
fn a_text_longer_than_the_file_is_truncated_not_allocated() {
    let error = read_all(b"\x80\x02X\xff\xff\xff\xffabc").unwrap_err();
    assert!(matches!(error, Error::Truncated { at: 7 }), "{error}");
}

#[test]
fn ever_more_objects_are_refused() {
    let mut bytes = b"\x80\x02".to_vec();
    bytes.resize(MAX_OBJECTS + 10, b'N');
    assert!(matches!(read_all(&bytes), Err(Error::TooLarge { .. })));
}

#[test]
fn tuples_nested_without_end_do_not_recurse() {
    let mut bytes = b"\x80\x02N".to_vec();
    bytes.resize(500_000, 0x85);
    bytes.push(b'.');
    assert!(read_all(&bytes).is_ok());
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = read_all(&bytes);
    }

    /// Bytes drawn from the opcodes themselves get far deeper into the machine.
    #[test]
    fn random_opcodes_never_panic(
        opcodes in proptest::collection::vec(
            proptest::sample::select(b"(NKMJGXc)]}taesuqrhjQRb.\x80\x85\x86\x87\x88\x89\x8a\x00\x01\x02".to_vec()),
            0..256,
        )
    ) {
        let _ = read_all(&opcodes);
    }
}
