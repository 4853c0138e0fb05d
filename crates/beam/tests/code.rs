//! Modules' chunks and instructions: those of every OTP at hand, and of Elixir.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests need files and the installed runtime; the crate does not"
)]
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use beam::Term;
use beam::code::{Identities, Instruction, opcode};
use beam::module::{ContentError, Module};
use beam::term::Atom;
use proptest::prelude::*;

/// The installed OTP, and others that `cargo xtask` keeps in a cache folder, where they are.
fn runtimes() -> Vec<PathBuf> {
    let cache = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/bellrock-otp"));
    let cached = cache.into_iter().flat_map(|cache| std::fs::read_dir(cache).into_iter().flatten());
    let cached = cached.filter_map(|entry| Some(entry.ok()?.path().join("bin/erl")));
    [PathBuf::from("erl")].into_iter().chain(cached.filter(|erl| erl.exists())).collect()
}

/// What a script writes to a file whose path it knows as `Out`.
fn ask(erl: &Path, name: &str, script: &str) -> String {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let script = format!("Out = {:?}, {script}, halt().", out.display().to_string());
    let output = Command::new(erl).args(["-noshell", "-eval", &script]).output();
    let output = output.expect("these tests need Debian's erlang: apt-get install erlang");
    assert!(output.status.success(), "{output:?}");
    std::fs::read_to_string(out).unwrap()
}

/// All numbers that a release knows, but those that it does not load any more.
#[test]
fn instructions_have_the_operands_that_otp_says() {
    for (index, erl) in runtimes().iter().enumerate() {
        let table = ask(
            erl,
            &format!("opcodes-{index}"),
            "Names = [{N, catch beam_opcodes:opname(N)} || N <- lists:seq(0, 255)],
             ok = file:write_file(Out, [io_lib:format(\"~b ~b~n\", [N, A]) || {N, {_, A}} <- Names, is_integer(A)])",
        );
        let mut known = 0;
        for line in table.lines() {
            let (number, arity) = line.split_once(' ').unwrap();
            let (number, arity): (u8, u8) = (number.parse().unwrap(), arity.parse().unwrap());
            match opcode::arity(number) {
                Some(ours) => assert_eq!(ours, arity, "{number} of {}", erl.display()),
                None => assert!(number < 130, "{number} of {} is not known", erl.display()),
            }
            known += usize::from(opcode::arity(number).is_some());
        }
        assert!(known > 130, "{known}");
    }
}

/// Each module's path and `beam_lib:md5/1`.
fn modules(erl: &Path, index: usize) -> BTreeMap<String, String> {
    let list = ask(
        erl,
        &format!("md5-{index}"),
        "Elixir = \"/usr/lib/elixir/lib/*/ebin/*.beam\",
         Files = filelib:wildcard(code:lib_dir() ++ \"/*/ebin/*.beam\") ++ filelib:wildcard(Elixir),
         Line = fun(File) ->
             {ok, {_, Md5}} = beam_lib:md5(File),
             io_lib:format(\"~ts ~32.16.0b~n\", [File, binary:decode_unsigned(Md5)]) end,
         ok = file:write_file(Out, [Line(File) || File <- Files])",
    );
    let lines = list.lines().map(|line| line.rsplit_once(' ').unwrap());
    lines.map(|(path, md5)| (path.to_owned(), md5.to_owned())).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Modules of every OTP at hand are read to their last instruction, and have the digest that OTP says.
#[test]
fn modules_are_read_whole_and_have_the_digest_of_beam_lib() {
    for (index, erl) in runtimes().iter().enumerate() {
        let modules = modules(erl, index);
        assert!(modules.len() > 500, "{}", modules.len());
        // all of the installed one, and a part of the others
        for (path, md5) in modules.iter().step_by(if index == 0 { 1 } else { 7 }) {
            let module = Module::parse(&std::fs::read(path).unwrap()).unwrap();
            assert_eq!(hexadecimal(&module.md5()), *md5, "{path}");
            let functions = whole(&module).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(functions >= 2, "{path} has {functions} functions: module_info/0,1 at least");
        }
    }
}

/// One module, as OTP 25, 27 (stripped) and 29 compile it; what `beam_lib:md5/1` says of each was recorded.
#[test]
fn a_module_of_each_encoding_is_read_whole() {
    let cases = [
        ("otp25", &include_bytes!("golden/modules/otp25.beam")[..], "815988e49791e1926328025c57154aaf"),
        ("otp27", include_bytes!("golden/modules/otp27.beam"), "e08d326322b96a9023f61e847bc59105"),
        ("otp29", include_bytes!("golden/modules/otp29.beam"), "1e6ecc8eec7ad7374bb248eec15b486a"),
    ];
    for (name, bytes, md5) in cases {
        let module = Module::parse(bytes).unwrap();
        assert_eq!(hexadecimal(&module.md5()), md5, "{name}");
        assert_eq!(whole(&module), Ok(13), "{name}");
        assert_eq!(module.name().as_deref(), Some("tour"));
        let behaviour = (Atom::new("behaviour"), Term::list([Term::atom("gen_server")]));
        // `beam_lib:strip/1` leaves no attributes
        assert_eq!(module.attributes().unwrap().contains(&behaviour), name != "otp27", "{name}");
        // any byte of it may be another one
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0x5a;
            Module::parse(&damaged).into_iter().for_each(|module| read_all(&module));
        }
    }
}

/// Reads all that there is; the number of functions.
fn whole(module: &Module) -> Result<usize, ContentError> {
    let atoms = module.atoms()?;
    let code = module.code()?;
    let functions = code.functions()?;
    let mut identities = Identities::new(module, &atoms, &functions)?;
    let mut instruction = Instruction::new();
    let mut in_functions = 0;
    for function in functions.all() {
        identities.of(function)?;
        let mut instructions = code.instructions_of(function);
        while instructions.next(&mut instruction)? {
            in_functions += 1;
        }
    }
    let mut all = 0;
    let mut instructions = code.instructions();
    while instructions.next(&mut instruction)? {
        all += 1;
    }
    // what is before the first function (a label at most) and the end of the code belong to none
    assert!(all - in_functions <= 2, "{all} {in_functions}");
    for export in module.exports()? {
        let function = functions.at(export.label).expect("an export begins at a function");
        assert_eq!((function.name, function.arity), (export.function, export.arity));
    }
    for closure in module.closures()? {
        let function = functions.at(closure.label).expect("a closure begins at a function");
        assert_eq!((function.name, function.arity), (closure.function, closure.arity));
    }
    let literals = module.literals()?;
    for number in 0..u32::try_from(literals.len()).unwrap() {
        assert!(literals.get(number).is_some(), "literal {number}");
    }
    module.imports()?;
    module.attributes()?;
    Ok(functions.all().len())
}

/// An IFF file of type BEAM.
fn beam_file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"BEAM".to_vec();
    for (id, content) in chunks {
        body.extend_from_slice(*id);
        body.extend_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes());
        body.extend_from_slice(content);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    [&b"FOR1"[..], &u32::try_from(body.len()).unwrap().to_be_bytes(), &body].concat()
}

fn with_code(instructions: &[u8]) -> Module {
    let header = [16_u32, 0, 180, 3, 1].map(u32::to_be_bytes).concat();
    let code = [&header[..], instructions].concat();
    Module::parse(&beam_file(&[(b"AtU8", b"\0\0\0\x02\x01a\x01f"), (b"Code", &code)])).unwrap()
}

#[test]
fn damaged_code_is_told_where_it_is() {
    let functions = |code: &[u8]| with_code(code).code().unwrap().functions().map(|found| found.all().len());
    // label 1, func_info a f 0, label 2, return, int_code_end
    let good = [1, 0x10, 2, 0x12, 0x22, 0x00, 1, 0x20, 19, 3];
    assert_eq!(functions(&good), Ok(1));
    assert_eq!(functions(&[250, 0]), Err(ContentError::Instruction { number: 250, at: 0 }));
    assert_eq!(functions(&[19, 76]), Err(ContentError::Instruction { number: 76, at: 1 }));
    // a label above those announced, one that is an atom, and one that is not there
    for code in [&[1, 0x90][..], &[1, 0x12], &[19, 1]] {
        assert!(matches!(functions(code), Err(ContentError::Operand { .. })), "{code:?}");
    }
    // a list that announces more than there is, one within a list, and a value of more bytes than there are
    for operand in [&[0x17, 0xff, 0x7f][..], &[0x17, 0x10, 0x17, 0x00], &[0xf9, 0x70, 1], &[0x18, 0xff]] {
        let code = [&[64][..], operand, &[0x03]].concat();
        assert!(matches!(functions(&code), Err(ContentError::Operand { .. })), "{operand:?}");
    }
    assert_eq!(Module::parse(&beam_file(&[])).unwrap().code().unwrap_err(), ContentError::Missing("Code"));
    let short = Module::parse(&beam_file(&[(b"Code", b"\0\0\0\xff")])).unwrap();
    assert_eq!(short.code().unwrap_err(), ContentError::Damaged("Code"));
}

#[test]
fn operands_of_all_sizes_are_read() {
    use beam::code::Operand;
    let operand = |bytes: &[u8]| {
        let module = with_code(&[&[64][..], bytes, &[0x03]].concat());
        let mut instruction = Instruction::new();
        module.code().unwrap().instructions().next(&mut instruction).unwrap();
        format!("{:?}", instruction.operands[0])
    };
    let cases: [(&[u8], Operand<'_>); 12] = [
        (&[0x51], Operand::Integer(5)),
        (&[0x29, 0x00], Operand::Integer(256)),
        (&[0x19, 0xff, 0xfe], Operand::Integer(-2)),
        (&[0x39, 0x00, 0xff, 0xff], Operand::Integer(65535)),
        (&[0x02], Operand::Nil),
        (&[0x12], Operand::Atom(1)),
        (&[0x23], Operand::X(2)),
        (&[0x34], Operand::Y(3)),
        (&[0x2d, 0x01], Operand::Label(257)),
        (&[0x47, 0x2a - 0x0a], Operand::Literal(2)),
        (&[0x27, 0x10], Operand::FloatRegister(1)),
        (&[0x57, 0x23, 0x70], Operand::X(2)),
    ];
    for (bytes, expected) in cases {
        assert_eq!(operand(bytes), format!("{expected:?}"), "{bytes:?}");
    }
    // 9 bytes: more than an i64
    let large = [&[0xf9, 0x00][..], &[1; 9]].concat();
    assert_eq!(operand(&large), format!("{:?}", Operand::LargeInteger(&[1; 9])));
}

/// Only what is read counts: all of it goes without a panic.
fn read_all(module: &Module) {
    let _ = (module.md5(), module.imports(), module.exports(), module.closures(), module.attributes());
    if let Ok(literals) = module.literals() {
        (0..4).for_each(|number| drop(literals.get(number)));
    }
    let (Ok(atoms), Ok(code)) = (module.atoms(), module.code()) else { return };
    let Ok(functions) = code.functions() else { return };
    let Ok(mut identities) = Identities::new(module, &atoms, &functions) else { return };
    for function in functions.all() {
        let _ = identities.of(function);
    }
}

proptest! {
    #[test]
    fn no_chunk_breaks_the_readers(
        chunks in prop::collection::vec((0_usize..8, prop::collection::vec(any::<u8>(), 0..96)), 0..9),
    ) {
        const IDS: [&[u8; 4]; 8] =
            [b"AtU8", b"Code", b"StrT", b"ImpT", b"ExpT", b"FunT", b"LitT", b"Attr"];
        let borrowed: Vec<(&[u8; 4], &[u8])> = chunks.iter().map(|(id, bytes)| (IDS[*id], &bytes[..])).collect();
        read_all(&Module::parse(&beam_file(&borrowed)).unwrap());
    }

    /// Bytes that begin as code does get further.
    #[test]
    fn no_instructions_break_the_reader(instructions in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&with_code(&[&[1, 0x10, 2, 0x12, 0x22, 0x00, 1, 0x20][..], &instructions].concat()));
    }
}
