//! In what releases differ: hand-made ones, and modules of the installed compilers.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use support::{elixir, erlang, scratch};
use upgrade::difference::{ApplicationChange, ApplicationDifference, Change, ModuleDifference};
use upgrade::inventory::{Application, Callback, Configuration, Kind, Module, Release, Runtime, StartType};
use upgrade::{Difference, Digest, FunctionName};

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn module(code: &str) -> Module {
    Module { unread: None, ..Module::opaque(code.as_bytes(), String::new()) }
}

fn application(name: &str, modules: &[(&str, Module)]) -> Application {
    Application {
        version: "1.0.0".to_owned(),
        folder: format!("lib/{name}-1.0.0"),
        start_type: StartType::Permanent,
        callback: None,
        environment: BTreeMap::new(),
        start_phases: None,
        applications: BTreeSet::new(),
        included_applications: BTreeSet::new(),
        optional_applications: BTreeSet::new(),
        registered: BTreeSet::new(),
        modules: modules.iter().map(|(name, module)| ((*name).to_owned(), module.clone())).collect(),
        private: BTreeMap::new(),
        native_libraries: BTreeSet::new(),
        appup: None,
    }
}

fn release(applications: &[(&str, Application)]) -> Release {
    Release {
        name: "shop".to_owned(),
        version: "1.0.0".to_owned(),
        kind: Kind::Rebar,
        runtime: Runtime { erts: Some("13.1.5".to_owned()), erts_content: Some(digest("erts")), otp: None },
        applications: applications.iter().map(|(name, it)| ((*name).to_owned(), it.clone())).collect(),
        start_order: applications.iter().map(|(name, _)| (*name).to_owned()).collect(),
        protocols: BTreeMap::new(),
        configuration: Configuration::default(),
    }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn functions(names: &[(&str, u8)]) -> BTreeSet<FunctionName> {
    names.iter().map(|&(name, arity)| FunctionName::new(name, arity)).collect()
}

/// A release with one of each, changed by `change`.
fn changed(change: impl FnOnce(&mut Release)) -> Difference {
    let mut old = release(&[
        ("kernel", application("kernel", &[("code", module("code"))])),
        ("shop", application("shop", &[("shop", module("a")), ("shop_cart", module("b"))])),
    ]);
    old.protocols.insert("Elixir.Enumerable".to_owned(), module("enumerable"));
    old.configuration.environment =
        Some([("shop".to_owned(), [("port".to_owned(), digest("4000"))].into())].into());
    old.configuration.files =
        [("sys.config", "1"), ("vm.args", "2")].map(|(name, it)| (name.to_owned(), digest(it))).into();
    let shop = old.applications.get_mut("shop").unwrap();
    shop.private =
        [("nif.so", "1"), ("www/index.html", "2")].map(|(name, it)| (name.to_owned(), digest(it))).into();
    shop.native_libraries = set(&["nif.so"]);
    shop.environment.insert("limit".to_owned(), digest("10"));
    let mut new = old.clone();
    change(&mut new);
    assert_eq!(Difference::between(&old, &old), Difference::default());
    let difference = Difference::between(&old, &new);
    let kept = serde_json::to_string(&difference).unwrap();
    assert_eq!(serde_json::from_str::<Difference>(&kept).unwrap(), difference);
    let kept = serde_json::to_string(&new).unwrap();
    assert_eq!(serde_json::from_str::<Release>(&kept).unwrap(), new);
    difference
}

/// In what the application `shop` differs; the rest does not.
fn shop(change: impl FnOnce(&mut Application)) -> ApplicationDifference {
    let mut difference = changed(|release| change(release.applications.get_mut("shop").unwrap()));
    let Some(ApplicationChange::Changed(shop)) = difference.applications.remove("shop") else {
        panic!("{difference:?}");
    };
    assert_eq!(difference, Difference::default());
    *shop
}

#[test]
fn names_and_versions_alone_are_no_difference_that_counts() {
    let difference = changed(|release| {
        release.version = "1.0.1".to_owned();
        release.applications.get_mut("shop").unwrap().version = "1.0.1".to_owned();
        release.applications.get_mut("shop").unwrap().folder = "lib/shop-1.0.1".to_owned();
    });
    let change = Change { old: "1.0.0".to_owned(), new: "1.0.1".to_owned() };
    assert_eq!(difference.version, Some(change));
    assert!(difference.is_empty() && difference != Difference::default());
    let difference = changed(|release| {
        let shop = release.applications.get_mut("shop").unwrap();
        shop.modules.get_mut("shop").unwrap().lines = Some(digest("lines"));
    });
    let only_lines = difference.applications["shop"].changed().unwrap().modules.only_lines.clone();
    assert_eq!(only_lines, set(&["shop"]));
    assert!(difference.is_empty());
}

#[test]
fn each_thing_that_counts_is_told_by_itself() {
    assert!(changed(|it| it.runtime.erts_content = Some(digest("rebuilt"))).runtime.has_other_erts_content);
    let other = changed(|it| it.runtime.erts = Some("14.0".to_owned())).runtime.erts.unwrap();
    assert_eq!((other.old.as_deref(), other.new.as_deref()), (Some("13.1.5"), Some("14.0")));
    assert!(changed(|it| it.start_order.reverse()).has_other_start_order);
    assert!(changed(|it| it.kind = Kind::Mix).kind.is_some());

    assert_eq!(shop(|it| it.start_type = StartType::Load).start_type.unwrap().new, StartType::Load);
    let callback = Callback { module: "shop".to_owned(), argument: digest("[]") };
    assert!(shop(|it| it.callback = Some(callback)).has_other_callback);
    assert!(shop(|it| it.start_phases = Some(digest("[]"))).has_other_start_phases);
    assert_eq!(shop(|it| it.registered = set(&["shop_cart"])).registered.added, set(&["shop_cart"]));
    assert_eq!(shop(|it| it.applications = set(&["ssl"])).applications.added, set(&["ssl"]));
    let environment = shop(|it| {
        it.environment = [("limit".to_owned(), digest("11")), ("more".to_owned(), digest("1"))].into()
    });
    assert_eq!(
        (environment.environment.changed, environment.environment.added),
        (set(&["limit"]), set(&["more"]))
    );

    let native = shop(|it| _ = it.private.insert("nif.so".to_owned(), digest("9")));
    assert_eq!((native.native_libraries.changed, native.private.is_empty()), (set(&["nif.so"]), true));
    let file = shop(|it| _ = it.private.remove("www/index.html"));
    assert_eq!((file.private.removed, file.native_libraries.is_empty()), (set(&["www/index.html"]), true));
    assert!(shop(|it| _ = it.private.remove("www/index.html")).is_rebuilt());
}

#[test]
fn modules_and_applications_come_and_go() {
    let modules = shop(|it| {
        it.modules.remove("shop_cart");
        it.modules.insert("shop_new".to_owned(), module("n"));
        it.modules.insert("shop".to_owned(), module("other"));
    });
    let modules = modules.modules;
    assert_eq!((modules.added, modules.removed), (set(&["shop_new"]), set(&["shop_cart"])));
    assert!(modules.changed["shop"].has_other_code && modules.changed.len() == 1);

    let difference = changed(|release| {
        release.applications.remove("kernel");
        release.applications.insert("depot".to_owned(), application("depot", &[]));
        release.start_order = vec!["depot".to_owned(), "shop".to_owned()];
    });
    assert_eq!(difference.applications["kernel"], ApplicationChange::Removed);
    assert_eq!(difference.applications["depot"], ApplicationChange::Added);
    assert!(!difference.has_other_start_order, "those of both are in the same order");

    let difference = changed(|release| {
        let moved = release.applications.get_mut("shop").unwrap().modules.remove("shop_cart").unwrap();
        release.applications.get_mut("kernel").unwrap().modules.insert("shop_cart".to_owned(), moved);
    });
    let moved = &difference.moved["shop_cart"];
    assert_eq!((moved.from.as_str(), moved.to.as_str(), &moved.difference), ("shop", "kernel", &None));

    let protocols =
        changed(|release| drop(release.protocols.insert("Elixir.Enumerable".to_owned(), module("more"))))
            .protocols;
    assert!(protocols.changed["Elixir.Enumerable"].has_other_code);
}

#[test]
fn configuration_is_compared_by_key_and_else_by_file() {
    let difference = changed(|release| {
        let environment = release.configuration.environment.as_mut().unwrap();
        environment.get_mut("shop").unwrap().insert("port".to_owned(), digest("5000"));
        environment.insert("kernel".to_owned(), [("logger_level".to_owned(), digest("info"))].into());
        release.configuration.files =
            [("sys.config".to_owned(), digest("2")), ("env.sh".to_owned(), digest("3"))].into();
    });
    let configuration = difference.configuration;
    assert_eq!(configuration.environment["shop"].changed, set(&["port"]));
    assert_eq!(configuration.environment["kernel"].added, set(&["logger_level"]));
    let files = configuration.files;
    assert_eq!((files.added, files.removed, files.changed), (set(&["env.sh"]), set(&["vm.args"]), set(&[])));

    // a template whose parameters nobody knows yet is compared as a file
    let difference = changed(|release| {
        release.configuration.environment = None;
        release.configuration.files.insert("sys.config".to_owned(), digest("9"));
    });
    assert_eq!(difference.configuration.files.changed, set(&["sys.config"]));
    assert!(difference.configuration.environment.is_empty());
}

#[test]
fn calls_of_what_is_gone_are_found_whoever_makes_them() {
    let calling = |code: &str| Module {
        imports: [("shop_cart".to_owned(), functions(&[("add", 1), ("drop", 1), ("never", 0)]))].into(),
        ..module(code)
    };
    let called = |code: &str, exports: &[(&str, u8)]| Module { exports: functions(exports), ..module(code) };
    let old = release(&[(
        "shop",
        application(
            "shop",
            &[
                ("cart_user", calling("a")),
                ("cart_owner", calling("b")),
                ("shop_cart", called("c", &[("add", 1), ("drop", 1)])),
            ],
        ),
    )]);
    let mut new = old.clone();
    let modules = &mut new.applications.get_mut("shop").unwrap().modules;
    modules.insert("shop_cart".to_owned(), called("d", &[("add", 1), ("add", 2)]));
    modules.insert("cart_owner".to_owned(), calling("e"));
    let missing = Difference::between(&old, &new).missing;
    let told: Vec<_> = missing
        .iter()
        .map(|it| (it.caller.as_str(), it.is_caller_unchanged, it.function.to_string()))
        .collect();
    assert_eq!(told, [("cart_owner", false, "drop/1".to_owned()), ("cart_user", true, "drop/1".to_owned())]);
    // a module that is gone takes all of its functions along
    new.applications.get_mut("shop").unwrap().modules.remove("shop_cart");
    let missing = Difference::between(&old, &new).missing;
    assert_eq!(missing.len(), 4);
    assert!(missing.iter().all(|it| it.module == "shop_cart" && it.application == "shop"));
}

/// In what two versions of an Erlang module differ.
fn between(name: &str, old: &str, new: &str) -> ModuleDifference {
    let text = |body: &str| format!("-module(m).\n-export([init/1, f/1]).\n{body}");
    let [old, new] = [("old", old), ("new", new)].map(|(version, body)| {
        let module = erlang(&scratch(&format!("difference-{name}-{version}")), "m", &text(body));
        release(&[("shop", application("shop", &[("m", module)]))])
    });
    let difference = Difference::between(&old, &new);
    let change = difference.applications["shop"].changed().unwrap();
    change.modules.changed["m"].clone()
}

#[test]
fn what_of_a_module_changed_is_told_by_function() {
    let difference = between(
        "functions",
        "init(X) -> {ok, new(X)}. new(X) -> {state, X, 10}. f(X) -> [gone(X) || _ <- X]. gone(X) -> {X, init(X)}.",
        "\n\ninit(X) -> {ok, new(X)}. new(X) -> {state, X, 20}. f(X) -> added(X), added([X]). added(X) -> lists:sort(X).",
    );
    assert!(difference.has_other_code && !difference.has_other_attributes && difference.vsn.is_none());
    let names = functions;
    assert_eq!(difference.functions.changed, names(&[("new", 1), ("f", 1)]));
    assert!(difference.functions.removed.contains(&FunctionName::new("gone", 1)), "{difference:?}");
    assert!(difference.functions.added.contains(&FunctionName::new("added", 1)), "{difference:?}");
    assert_eq!(difference.only_values, names(&[("new", 1)]));
    assert!(difference.exports.added.is_empty() && difference.exports.removed.is_empty());
}

#[test]
fn closures_that_do_not_live_on_are_told() {
    let closures = |name: &str, old: &str, new: &str| {
        let body = |closure: &str| {
            format!("init(X) -> fun(Y) -> {closure} end. f(X) -> fun g/1. g(X) -> X.").replace("f(X)", "f(_)")
        };
        between(
            name,
            &body(old),
            &format!("{} more() -> 1.", body(new)).replace("fun g/1", "{more(), fun g/1}"),
        )
        .closures
    };
    let own = functions(&[("-init/1-fun-0-", 2)]);
    assert_eq!(closures("same", "{X, Y}", "{X, Y}"), BTreeSet::new());
    assert_eq!(closures("other", "{X, Y}", "{Y, X}"), own);
    assert_eq!(closures("free", "{X, Y}", "Y"), own);
}

#[test]
fn attributes_and_versions_of_authors_are_told() {
    let difference = between(
        "vsn",
        "-vsn(one).\ninit(X) -> X. f(X) -> X.",
        "-vsn(two).\n-behaviour(sys).\ninit(X) -> X. f(X) -> X.",
    );
    assert!(!difference.has_other_code && difference.has_other_attributes);
    let vsn = difference.vsn.unwrap();
    assert_eq!((vsn.old.as_deref(), vsn.new.as_deref()), (Some("[one]"), Some("[two]")));
    assert_eq!(difference.behaviours.added, set(&["sys"]));
}

#[test]
fn fields_of_structs_are_told() {
    let structure = |name: &str, fields: &str| {
        let text = format!("defmodule S do\n  {fields}\n  def new, do: 1\nend");
        let modules = elixir(&scratch(&format!("difference-struct-{name}")), &text);
        release(&[("shop", application("shop", &[("Elixir.S", modules["Elixir.S"].clone())]))])
    };
    let old = structure("old", "defstruct a: 1, b: 2");
    let compare = |new: &Release| {
        Difference::between(&old, new).applications["shop"].changed().unwrap().modules.changed["Elixir.S"]
            .clone()
    };
    let other = compare(&structure("new", "defstruct a: 1, b: 3, c: nil"));
    assert_eq!((other.structure.added, other.structure.changed), (set(&["c"]), set(&["b"])));
    assert!(!other.has_other_structure);
    let gone = compare(&structure("gone", ""));
    assert!(gone.has_other_structure && gone.structure.removed == set(&["a", "b"]));
}

#[test]
fn applications_start_after_those_that_they_need() {
    let needing = |name: &str, needed: &[&str], included: &[&str]| {
        let (applications, included_applications) = (set(needed), set(included));
        (name.to_owned(), Application { applications, included_applications, ..application(name, &[]) })
    };
    let all = [
        needing("cart", &["till", "kernel"], &[]),
        needing("desk", &[], &["shelf"]),
        needing("shelf", &["cart"], &[]),
        needing("till", &["wire", "cart"], &[]),
        needing("wire", &[], &[]),
    ];
    let all: Vec<(&str, Application)> = all.iter().map(|(name, it)| (name.as_str(), it.clone())).collect();
    // what is in a circle starts somewhere; what the release does not have is nobody's business
    assert_eq!(release(&all).in_order(), ["wire", "till", "cart", "shelf", "desk"]);
}
