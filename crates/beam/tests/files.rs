//! `.app`, `.rel`, `start_erl.data`, `.beam`: made in code, and those of the installed OTP.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests need files and the installed runtime; the crate does not"
)]
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

use std::path::PathBuf;
use std::process::Command;

use beam::module::{Module, ModuleError};
use beam::rel::StartType;
use beam::{Term, app, rel};
use proptest::prelude::*;

#[test]
fn an_app_file_is_read() {
    let read = app::parse(
        b"%% comment\n{application, 'my-app', [{description, \"d\"}, {vsn, \"1.0.0+b\"}, {mod, {my_app, []}},\n \
          {applications, [kernel, stdlib]}, {included_applications, []}, {modules, ['Elixir.My', my]}, flag]}.\n",
    )
    .unwrap();
    assert_eq!(
        (read.name.as_str(), read.version.as_str(), read.callback.clone()),
        ("my-app", "1.0.0+b", Some(("my_app".to_owned(), Term::list([]))))
    );
    assert_eq!(
        (read.applications.join(" "), read.modules.join(" ")),
        ("kernel stdlib".into(), "Elixir.My my".into())
    );
    for other in [
        "",
        "{application, x}.",
        "{application, \"x\", []}.",
        "{app, x, []}.",
        "a. b.",
        "{application, x, y}.",
    ] {
        assert!(app::parse(other.as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn a_rel_file_is_read() {
    let text = "{release, {\"web\", \"1\"}, {erts, \"13.1\"},\n [{kernel, \"8\", permanent}, {iex, \"1\", none}, \
                {x, \"2\", load, [y]}, {z, \"3\"}, {w, \"4\", [a]}]}.";
    let read = rel::parse(text.as_bytes()).unwrap();
    assert_eq!((read.name.as_str(), read.version.as_str(), read.erts.as_str()), ("web", "1", "13.1"));
    let started: Vec<_> = read.applications.iter().map(|app| (app.name.as_str(), app.start_type)).collect();
    let (permanent, none, load) = (StartType::Permanent, StartType::None, StartType::Load);
    assert_eq!(
        started,
        [("kernel", permanent), ("iex", none), ("x", load), ("z", permanent), ("w", permanent)]
    );
    for other in [
        "",
        "x.",
        "{release, {\"a\", 1}, {erts, \"1\"}, []}.",
        "{release, {\"a\", \"1\"}, {erts, \"1\"}, [x]}.",
    ] {
        assert!(rel::parse(other.as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn start_erl_data_is_two_words() {
    let read = rel::parse_start_erl(b"13.1.5 1.2.0+build5\n").unwrap();
    assert_eq!((read.erts.as_str(), read.version.as_str()), ("13.1.5", "1.2.0+build5"));
    for other in [&b""[..], b"13.1.5", b"a b c", b"\xff \xfe"] {
        assert_eq!(rel::parse_start_erl(other), None);
    }
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

#[test]
fn names_are_read_from_old_and_new_atom_tables() {
    let long = "m".repeat(200);
    let mut variable_size = vec![0xff, 0xff, 0xff, 0xff, 0x08, 200];
    variable_size.extend_from_slice(long.as_bytes());
    let cases: [(&[u8; 4], &[u8], Option<&str>); 6] = [
        (b"AtU8", b"\0\0\0\x01\x03\xc3\xa9a", Some("éa")),
        (b"Atom", b"\0\0\0\x01\x02\xe9a", Some("éa")),
        (b"AtU8", b"\xff\xff\xff\xff\x20ab", Some("ab")),
        (b"AtU8", &variable_size, Some(&long)),
        (b"AtU8", b"\0\0\0\x01\x09ab", None),
        (b"AtU8", b"\0\0", None),
    ];
    for (id, table, expected) in cases {
        let module = Module::parse(&beam_file(&[(id, table)])).unwrap();
        assert_eq!(module.name().as_deref(), expected);
    }
}

#[test]
fn files_that_are_no_modules_are_refused() {
    let good = beam_file(&[(b"AtU8", b"\0\0\0\x01\x01a"), (b"Code", &[0; 20])]);
    assert_eq!(Module::parse(b"").unwrap_err(), ModuleError::NotBeam);
    assert_eq!(Module::parse(b"FOR1\0\0\0\x04WAVE").unwrap_err(), ModuleError::NotBeam);
    assert_eq!(Module::parse(b"\x1f\x8b\x08 no gzip").unwrap_err(), ModuleError::Gzip);
    assert_eq!(Module::parse(&good[..good.len() - 6]).unwrap_err(), ModuleError::Truncated);
    let many: Vec<(&[u8; 4], &[u8])> = vec![(b"none", b""); 2000];
    assert_eq!(Module::parse(&beam_file(&many)).unwrap_err(), ModuleError::TooManyChunks);
}

fn erl(source: &str) {
    let output = Command::new("erl").args(["-noshell", "-eval", source]).output();
    let output = output.expect("these tests need Debian's erlang: apt-get install erlang");
    assert!(output.status.success(), "{output:?}");
}

fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn read(path: PathBuf) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// Modules as the installed compiler makes them, with each option that changes what we look at.
#[test]
fn modules_of_the_installed_compiler_are_read() {
    let folder = scratch("modules");
    let at = folder.display();
    erl(&format!(
        "Forms = [{{attribute,1,module,buoy}},{{attribute,2,export,[{{x,0}}]}},{{function,3,x,0,[{{clause,3,[],[],[{{integer,3,1}}]}}]}}],
         Write = fun(Name, Options) ->
             {{ok, buoy, Beam}} = compile:forms(Forms, Options), ok = file:write_file(\"{at}/\" ++ Name, Beam), Beam end,
         Write(\"plain\", []),
         Write(\"compressed\", [compressed, debug_info]),
         Long = lists:duplicate(100, {{d, long_option_that_makes_the_chunk_compress, none}}),
         Write(\"long_options\", Long),
         Debug = Write(\"debug\", [debug_info | Long]),
         {{ok, {{buoy, Stripped}}}} = beam_lib:strip(Debug),
         ok = file:write_file(\"{at}/stripped\", Stripped),
         {{ok, {{_, [{{compile_info, Info}}]}}}} = beam_lib:chunks(Debug, [compile_info]),
         ok = file:write_file(\"{at}/version\", proplists:get_value(version, Info)), halt()."
    ));
    let version = String::from_utf8(read(folder.join("version"))).unwrap();
    let cases = [
        ("plain", false, true),
        ("compressed", true, true),
        ("long_options", false, true),
        ("debug", true, true),
        ("stripped", false, false),
    ];
    for (name, debug_info, compile_info) in cases {
        let module = Module::parse(&read(folder.join(name))).unwrap();
        assert_eq!(module.name().as_deref(), Some("buoy"), "{name}");
        assert_eq!(module.has_debug_info(), debug_info, "{name}");
        assert_eq!(module.compiler_version(), compile_info.then(|| version.clone()), "{name}");
        // the code has a byte for it; OTP 29 says 181
        assert!(module.highest_instruction().is_some_and(|number| (1..=255).contains(&number)), "{name}");
        assert!(module.chunk(b"Code").is_some() && !module.chunks().is_empty());
    }
}

/// Every resource file that OTP brings.
#[test]
fn every_app_file_of_the_installation_is_read() {
    let folder = scratch("apps");
    let list = folder.join("list");
    erl(&format!(
        "ok = file:write_file(\"{}\", [[F, $\\n] || F <- filelib:wildcard(code:lib_dir() ++ \"/*/ebin/*.app\")]), halt().",
        list.display()
    ));
    let list = String::from_utf8(read(list)).unwrap();
    assert!(list.lines().count() > 10, "{list}");
    for path in list.lines() {
        let read = app::parse(&read(path.into())).unwrap_or_else(|error| panic!("{path}: {error:?}"));
        assert!(path.ends_with(&format!("/{}.app", read.name)) && !read.version.is_empty(), "{path}");
    }
}

proptest! {
    #[test]
    fn no_bytes_break_the_readers(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = Module::parse(&bytes);
        let _ = (app::parse(&bytes), rel::parse(&bytes), rel::parse_start_erl(&bytes));
    }

    /// The chunks are whole; what is in them is anything.
    #[test]
    fn no_chunk_breaks_the_questions(
        chunks in prop::collection::vec((0_usize..6, prop::collection::vec(any::<u8>(), 0..64)), 0..6),
    ) {
        const IDS: [&[u8; 4]; 6] = [b"AtU8", b"Atom", b"Dbgi", b"Abst", b"CInf", b"Code"];
        let chunks: Vec<(&[u8; 4], Vec<u8>)> =
            chunks.into_iter().map(|(id, bytes)| (IDS[id], [&[131][..], &bytes].concat())).collect();
        let borrowed: Vec<(&[u8; 4], &[u8])> = chunks.iter().map(|(id, bytes)| (*id, &bytes[..])).collect();
        let module = Module::parse(&beam_file(&borrowed)).unwrap();
        let _ = (module.name(), module.has_debug_info(), module.compiler_version(), module.highest_instruction());
    }
}
