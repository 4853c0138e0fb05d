//! `.appup`, `relup`, `sys.config`: those of OTP, made in code, and read back by OTP.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests need files and the installed runtime; the crate does not"
)]
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

use std::path::PathBuf;
use std::process::Command;

use beam::Term;
use beam::appup::{self, AppupError, Pattern};
use beam::instruction::{Instruction, Mode, Purge, Purges, Timeout, Update};
use beam::{relup, sys_config};
use proptest::prelude::*;

fn erl(source: &str) -> String {
    let output = Command::new("erl").args(["-noshell", "-eval", source]).output();
    let output = output.expect("these tests need Debian's erlang: apt-get install erlang");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The installed OTP's, and those of others in a cache folder.
fn appups() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(erl("io:put_chars(code:lib_dir()), halt()."))];
    let cache = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/bellrock-otp"));
    let cached = cache.into_iter().flat_map(|cache| std::fs::read_dir(cache).into_iter().flatten());
    folders.extend(cached.map(|entry| entry.unwrap().path().join("root/usr/lib/erlang/lib")));
    let applications = folders.into_iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten());
    let ebins = applications.map(|entry| entry.unwrap().path().join("ebin"));
    let files = ebins.flat_map(|ebin| std::fs::read_dir(ebin).into_iter().flatten());
    let files = files.map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "appup")).collect()
}

#[test]
fn appups_of_otp_are_read_and_written_as_they_are() {
    let files = appups();
    assert!(files.len() > 10, "{}", files.len());
    for path in files {
        let read = appup::parse(&std::fs::read(&path).unwrap());
        let read = read.unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        assert_eq!(appup::parse(read.print().as_bytes()).unwrap(), read, "{}", path.display());
        for step in read.up_from.iter().chain(&read.down_to) {
            assert!(step.other.matches("0.0.0.0").is_ok(), "{}: {:?}", path.display(), step.other);
        }
    }
}

fn purge(before: Purge, after: Purge) -> Purges {
    Purges { before, after }
}

/// Every instruction as `appup(4)` writes it, and what it is.
fn instructions() -> Vec<(&'static str, Instruction)> {
    let update = |module: &str| Update {
        module: module.to_owned(),
        is_static: false,
        timeout: Timeout::Default,
        extra: None,
        purge: Purges::default(),
        depends_on: Vec::new(),
    };
    let text = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let soft = purge(Purge::Soft, Purge::Soft);
    let name = || "m".to_owned();
    vec![
        ("{update, m}", Instruction::Update(update("m"))),
        ("{update, m, supervisor}", Instruction::UpdateSupervisor { module: name() }),
        (
            "{update, m, {advanced, [x]}}",
            Instruction::Update(Update { extra: Some(Term::list([Term::atom("x")])), ..update("m") }),
        ),
        (
            "{update, m, soft, [a, 'B']}",
            Instruction::Update(Update { depends_on: text(&["a", "B"]), ..update("m") }),
        ),
        (
            "{update, m, soft, soft_purge, brutal_purge, []}",
            Instruction::Update(Update { purge: purge(Purge::Soft, Purge::Brutal), ..update("m") }),
        ),
        (
            "{update, m, static, 5000, {advanced, x}, soft_purge, soft_purge, [d]}",
            Instruction::Update(Update {
                is_static: true,
                timeout: Timeout::Milliseconds(5000),
                extra: Some(Term::atom("x")),
                purge: soft,
                depends_on: text(&["d"]),
                ..update("m")
            }),
        ),
        (
            "{update, m, dynamic, infinity, soft, brutal_purge, brutal_purge, []}",
            Instruction::Update(Update { timeout: Timeout::Infinity, ..update("m") }),
        ),
        (
            "{load_module, m}",
            Instruction::LoadModule { module: name(), purge: Purges::default(), depends_on: Vec::new() },
        ),
        (
            "{load_module, m, [a]}",
            Instruction::LoadModule { module: name(), purge: Purges::default(), depends_on: text(&["a"]) },
        ),
        (
            "{load_module, m, soft_purge, soft_purge, []}",
            Instruction::LoadModule { module: name(), purge: soft, depends_on: Vec::new() },
        ),
        ("{add_module, m}", Instruction::AddModule { module: name(), depends_on: Vec::new() }),
        ("{add_module, m, [a]}", Instruction::AddModule { module: name(), depends_on: text(&["a"]) }),
        ("{delete_module, m}", Instruction::DeleteModule { module: name(), depends_on: Vec::new() }),
        ("{delete_module, m, [a]}", Instruction::DeleteModule { module: name(), depends_on: text(&["a"]) }),
        (
            "{add_application, m}",
            Instruction::AddApplication { name: name(), start_type: "permanent".to_owned() },
        ),
        (
            "{add_application, m, load}",
            Instruction::AddApplication { name: name(), start_type: "load".to_owned() },
        ),
        ("{remove_application, m}", Instruction::RemoveApplication { name: name() }),
        ("{restart_application, m}", Instruction::RestartApplication { name: name() }),
        (
            "{load_object_code, {m, \"1.0\", [a, b]}}",
            Instruction::LoadObjectCode {
                application: name(),
                version: "1.0".to_owned(),
                modules: text(&["a", "b"]),
            },
        ),
        ("point_of_no_return", Instruction::PointOfNoReturn),
        ("{load, {m, soft_purge, soft_purge}}", Instruction::Load { module: name(), purge: soft }),
        (
            "{remove, {m, brutal_purge, soft_purge}}",
            Instruction::Remove { module: name(), purge: purge(Purge::Brutal, Purge::Soft) },
        ),
        ("{purge, [m]}", Instruction::Purge(text(&["m"]))),
        (
            "{suspend, [a, {b, 10}, {c, default}]}",
            Instruction::Suspend(vec![
                ("a".to_owned(), None),
                ("b".to_owned(), Some(Timeout::Milliseconds(10))),
                ("c".to_owned(), Some(Timeout::Default)),
            ]),
        ),
        ("{resume, [m]}", Instruction::Resume(text(&["m"]))),
        (
            "{code_change, down, [{m, []}]}",
            Instruction::CodeChange { mode: Mode::Down, modules: vec![(name(), Term::list([]))] },
        ),
        ("{stop, [m]}", Instruction::Stop(text(&["m"]))),
        ("{start, [m]}", Instruction::Start(text(&["m"]))),
        (
            "{sync_nodes, id, [a@b]}",
            Instruction::SyncNodes { id: Term::atom("id"), nodes: Term::list([Term::atom("a@b")]) },
        ),
        (
            "{apply, {m, f, [\"x\"]}}",
            Instruction::Apply {
                module: name(),
                function: "f".to_owned(),
                arguments: Term::list([Term::string("x")]),
            },
        ),
        ("restart_new_emulator", Instruction::RestartNewEmulator),
        ("restart_emulator", Instruction::RestartEmulator),
    ]
}

#[test]
fn every_instruction_is_read_and_written() {
    for (text, instruction) in instructions() {
        let [term] = &beam::text::consult(format!("{text}.").as_bytes()).unwrap()[..] else {
            panic!("{text}")
        };
        assert_eq!(Instruction::of(term).as_ref(), Ok(&instruction), "{text}");
        assert_eq!(&instruction.to_term(), term, "{text}");
    }
    for text in [
        "m",
        "{m}",
        "{update}",
        "{update, \"m\"}",
        "{update, m, hard}",
        "{update, m, a, b, c, d, e, f}",
        "{load_module, m, soft, soft, []}",
        "{add_application, m, later}",
        "{suspend, [{m, soon}]}",
        "{code_change, [m]}",
        "{code_change, sideways, []}",
        "{apply, {m, f, x}}",
        "{load, {m, soft_purge}}",
    ] {
        let [term] = &beam::text::consult(format!("{text}.").as_bytes()).unwrap()[..] else {
            panic!("{text}")
        };
        assert!(Instruction::of(term).is_err(), "{text}");
    }
}

/// OTP reads the terms that we meant of what we write.
#[test]
fn otp_reads_what_is_written() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("appups");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("m.appup");
    let steps = |text: &str| appup::Step {
        other: Pattern::Version(text.to_owned()),
        instructions: instructions().into_iter().map(|(_, instruction)| instruction).collect(),
    };
    let expression =
        appup::Step { other: Pattern::Expression("2\\.[0-9]+".to_owned()), instructions: Vec::new() };
    let written = appup::Appup {
        version: "3 \"é\"".to_owned(),
        up_from: vec![steps("1"), expression.clone()],
        down_to: vec![expression],
    };
    std::fs::write(&path, written.print()).unwrap();
    let expected: Vec<&str> = instructions().iter().map(|(text, _)| *text).collect();
    let answer = erl(&format!(
        "{{ok, [{{Version, [{{\"1\", Read}}, {{<<\"2\\\\.[0-9]+\">>, []}}], [{{<<\"2\\\\.[0-9]+\">>, []}}]}}]}} = file:consult({path:?}),
         Read = [{}],
         \"3 \\\"\" = string:slice(Version, 0, 3), 233 = lists:nth(4, Version),
         io:put_chars(\"same\"), halt().",
        expected.join(", "),
        path = path.display().to_string(),
    ));
    assert_eq!(answer, "same");
    assert_eq!(appup::parse(written.print().as_bytes()).unwrap(), written);
}

#[test]
fn versions_are_matched_as_systools_does() {
    let versions = ["1.0", "1.0.1", "11.0", "1.0.10", "2.0", "x1.0", ""];
    let expressions =
        ["1\\\\.0", "1\\\\.0(\\\\.[0-9]+)*", "1\\\\.0\\\\.[0-9]", "^1.*$", "[^2]*", "1|1\\\\.0", ".*\\\\.0$"];
    let answer = erl(&format!(
        "Match = fun(V, E) -> case re:run(V, E, [unicode, {{capture, first, list}}]) of
             {{match, [V]}} -> $+; _ -> $- end end,
         io:put_chars([[[Match(V, E) || V <- {versions:?}], 32] || E <- [<<\"{}\">>]]), halt().",
        expressions.join("\">>,<<\"")
    ));
    let matches = |expression: &str| {
        let pattern = Pattern::Expression(expression.replace("\\\\", "\\"));
        versions.map(|version| if pattern.matches(version).unwrap() { '+' } else { '-' }).iter().collect()
    };
    let ours: Vec<String> = expressions.iter().map(|expression| matches(expression)).collect();
    assert_eq!(answer.trim_end().split(' ').collect::<Vec<_>>(), ours);
    assert!(Pattern::Expression("(".to_owned()).matches("1").is_err());
    assert!(
        Pattern::Expression("(a{500}){500}".to_owned()).matches("1").is_err(),
        "too large to be compiled"
    );
}

#[test]
fn the_first_step_that_matches_counts() {
    let text = "{\"3\", [{\"2\", [restart_emulator]}, {<<\"2.*\">>, []}], [{<<\".*\">>, [{purge, []}]}]}.";
    let read = appup::parse(text.as_bytes()).unwrap();
    assert_eq!(read.from("2").unwrap(), Some(&[Instruction::RestartEmulator][..]));
    assert_eq!(read.from("2.1").unwrap(), Some(&[][..]));
    assert_eq!(read.from("1").unwrap(), None);
    assert_eq!(read.to("1").unwrap(), Some(&[Instruction::Purge(Vec::new())][..]));
}

#[test]
fn what_is_no_appup_or_relup_is_refused() {
    for text in [
        "",
        "x.",
        "{\"1\", []}.",
        "{\"1\", [], x}.",
        "{1, [], []}.",
        "{\"1\", [{\"0\"}], []}.",
        "{\"1\", [{0, []}], []}.",
    ] {
        assert!(matches!(appup::parse(text.as_bytes()), Err(AppupError::Shape)), "{text}");
        assert!(relup::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(matches!(appup::parse(b"{\"1\", [{\"0\", [later]}], []}."), Err(AppupError::Instruction(_))));
    assert!(matches!(appup::parse(b"{"), Err(AppupError::Text(_))));
}

#[test]
fn a_relup_is_read_and_written() {
    let text = "{\"2\", [{\"1\", [why], [{load_object_code, {a, \"2\", [m]}}, point_of_no_return]}], [{\"1\", [], []}]}.";
    let read = relup::parse(text.as_bytes()).unwrap();
    assert_eq!((read.version.as_str(), read.up_from.len(), read.down_to.len()), ("2", 1, 1));
    assert_eq!(read.up_from[0].instructions[1], Instruction::PointOfNoReturn);
    assert_eq!(relup::parse(read.print().as_bytes()).unwrap(), read);
}

#[test]
fn a_sys_config_is_read() {
    let text = "[{kernel, [{logger_level, info}]}, \"more.config\", {shop, []}].";
    let read = sys_config::parse(text.as_bytes()).unwrap();
    assert_eq!(read.included, ["more.config"]);
    let kernel = ("kernel".to_owned(), vec![("logger_level".to_owned(), Term::atom("info"))]);
    assert_eq!(read.applications, [kernel, ("shop".to_owned(), Vec::new())]);
    for other in
        ["", "x.", "[x].", "[{a, b}].", "[{a, [b]}].", "[{\"a\", []}].", "[]. [].", "[{a, ${PORT}}]."]
    {
        assert!(sys_config::parse(other.as_bytes()).is_err(), "{other}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_readers(text in r#"[{}\[\],"a-z0-9_ .<>#|=]{0,80}"#) {
        let _ = (appup::parse(text.as_bytes()), relup::parse(text.as_bytes()), sys_config::parse(text.as_bytes()));
        let _ = Pattern::Expression(text).matches("1.0");
    }
}
