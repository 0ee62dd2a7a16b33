//! Properties of init programs: what is written is read, and foreign bytes are refused or harmless.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

use proptest::collection::vec;
use proptest::prelude::*;
use sys::program::{Builder, MAX_OPS, Op, Program, Slot, VERSION};

/// Text without NUL, as paths and variables are.
fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,24}"
}

/// Writes one operation of the chosen kind into a builder.
fn push(builder: &mut Builder, (kind, words, number, slot): &(u8, Vec<String>, u64, u8)) {
    let slot = Slot(slot % 64);
    let first = words.first().map_or("", String::as_str);
    let path = builder.text(first);
    let low = u32::try_from(number & 0xffff_ffff).unwrap();
    let op = match kind % 12 {
        0 => Op::Write {
            dir: slot,
            path,
            data: path,
            flags: low,
        },
        1 => Op::Join { of: slot, kinds: low },
        2 => Op::Clone {},
        3 => Op::Rlimit {
            resource: low,
            soft: *number,
            hard: u64::MAX,
        },
        4 => Op::Tree {
            out: slot,
            dir: Slot::NONE,
            path,
            flags: low,
        },
        5 => Op::Filesystem {
            out: slot,
            kind: path,
            options: builder.texts(words),
            attributes: *number,
        },
        6 => Op::Attributes {
            tree: slot,
            set: *number,
            clear: 1,
            propagation: 2,
            flags: low,
        },
        7 => Op::Mask {
            base: slot,
            directory: Slot(1),
            file: Slot(2),
            path,
        },
        8 => Op::Groups {
            groups: builder.words(words.iter().map(|word| word.len() as u64)),
        },
        9 => Op::Capabilities {
            effective: *number,
            permitted: 1,
            inheritable: u64::MAX,
        },
        10 => Op::Lookup {
            name: path,
            search: path,
        },
        _ => Op::Exec {
            arguments: builder.texts(words),
            environment: builder.texts(words.iter().rev()),
        },
    };
    builder.push(op);
}

fn program() -> impl Strategy<Value = Program> {
    vec((any::<u8>(), vec(text(), 0..6), any::<u64>(), any::<u8>()), 0..40).prop_map(|ops| {
        let mut builder = Builder::new(3);
        ops.iter().for_each(|op| push(&mut builder, op));
        builder.finish().unwrap()
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(program in program()) {
        let again = Program::parse(program.as_bytes().to_vec()).unwrap();
        prop_assert_eq!(again.to_string(), program.to_string());
        prop_assert_eq!(again.to_string().lines().count(), program.len() as usize);
    }

    #[test]
    fn every_truncation_is_refused(program in program(), cut in any::<prop::sample::Index>()) {
        let bytes = program.as_bytes();
        let cut = cut.index(bytes.len());
        prop_assert!(Program::parse(bytes[..cut].to_vec()).is_err());
    }

    #[test]
    fn a_changed_byte_is_refused_or_harmless(
        program in program(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut bytes = program.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(changed) = Program::parse(bytes) {
            // Every reference of an accepted program can be followed.
            prop_assert_eq!(changed.to_string().lines().count(), changed.len() as usize);
        }
    }

    #[test]
    fn foreign_bytes_never_panic(mut bytes in vec(any::<u8>(), 0..400), ours in any::<bool>()) {
        if ours && bytes.len() >= 12 {
            bytes[..8].copy_from_slice(b"GNTRYINI");
            bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        }
        let _ = Program::parse(bytes);
    }

    #[test]
    fn the_same_operations_make_the_same_bytes(ops in vec((any::<u8>(), vec(text(), 0..4), any::<u64>(), any::<u8>()), 0..20)) {
        let write = || {
            let mut builder = Builder::new(3);
            ops.iter().for_each(|op| push(&mut builder, op));
            builder.finish().unwrap()
        };
        let (first, second) = (write(), write());
        prop_assert_eq!(first.as_bytes(), second.as_bytes());
    }
}

#[test]
fn a_program_has_its_bounds() {
    let mut builder = Builder::new(0);
    for _ in 0..=MAX_OPS {
        builder.push(Op::Setsid {});
    }
    assert_eq!(
        builder.finish().unwrap_err().to_string(),
        "program is larger than 4194304 bytes or 4096 operations"
    );

    let mut builder = Builder::new(0);
    builder.text("a\0b");
    assert_eq!(
        builder.finish().unwrap_err().to_string(),
        "\"a\\0b\" contains a NUL byte"
    );

    let mut builder = Builder::new(60);
    let slots: Vec<Slot> = (0..5).map(|_| builder.slot()).collect();
    assert_eq!((slots[3], slots[4]), (Slot(63), Slot::NONE));
    assert_eq!(
        builder.finish().unwrap_err().to_string(),
        "more than 64 descriptors"
    );
}

#[test]
fn strings_are_stored_once() {
    let mut builder = Builder::new(0);
    let (one, two) = (builder.text("/proc"), builder.text("/proc"));
    assert_eq!(one, two);
}

/// The written format (docs/formats/init-program.md), byte for byte.
#[test]
fn the_format_is_as_written() {
    let mut builder = Builder::new(1);
    let (path, data) = (builder.text("/x"), builder.text("0"));
    builder.push(Op::Write {
        dir: Slot(0),
        path,
        data,
        flags: 1,
    });
    let arguments = builder.texts(["/x"]);
    builder.push(Op::Exec {
        arguments,
        environment: arguments,
    });
    let program = builder.finish().unwrap();
    let hex: String = program
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let expected = concat!(
        "474e545259494e49",
        "01000000",
        "02000000",
        "03000000",
        "05000000",
        "01000000",
        "00000000",
        "03000000",
        "01000000",
        "0000000000000000",
        "0000000000000000",
        "0000000000000000",
        "2b000000",
        "00000000",
        "00000000",
        "00000000",
        "0000000000000000",
        "0000000000000000",
        "0000000000000000",
        "0100000000000000",
        "0000000000000000",
        "0000000000000000",
        "2f7800",
        "3000",
    );
    assert_eq!(hex, expected);
    assert_eq!(
        program.to_string(),
        "Write dir=0 path=\"/x\" data=\"0\" flags=0x1\nExec arguments=[\"/x\"] environment=[\"/x\"]\n"
    );
}
