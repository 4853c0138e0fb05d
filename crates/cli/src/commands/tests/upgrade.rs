//! Plans as text.

use ::upgrade::finding::Code;
use ::upgrade::inventory::Release;
use ::upgrade::policy::Policy;
use serde_json::{Value, json};

use super::{check, from};
use crate::commands::upgrade::text;

fn release(version: &str, erts: &str, modules: Value) -> Release {
    let mut applications = json!({
        "shop": {
            "version": version, "folder": format!("lib/shop-{version}"), "start_type": "permanent",
            "callback": {"module": "Elixir.Shop.Application", "argument": "00000000000000000000000000000000"},
            "environment": {}, "start_phases": null, "applications": [], "included_applications": [],
            "optional_applications": [], "registered": [], "private": {}, "native_libraries": [], "appup": null,
        },
    });
    applications["shop"]["modules"] = modules;
    from(json!({
        "name": "shop", "version": version, "kind": "mix",
        "runtime": {"erts": erts, "erts_content": null, "otp": null},
        "applications": applications, "start_order": ["shop"], "protocols": {},
        "configuration": {"environment": {}, "included": [], "files": {}},
    }))
}

/// A module whose functions have these digests.
fn module(digest: u8, functions: &[(&str, u64)], behaviours: &[&str], code_change: &str) -> Value {
    let functions: serde_json::Map<String, Value> = functions
        .iter()
        .map(|(name, digest)| {
            ((*name).to_owned(), json!({"digest": digest, "skeleton": digest, "calls": []}))
        })
        .collect();
    let exports: Vec<&String> = functions.keys().collect();
    json!({
        "digest": format!("{digest:032x}"), "attributes": "00000000000000000000000000000000", "vsn": null,
        "has_own_vsn": false, "lines": null, "behaviours": behaviours, "exports": exports, "imports": {},
        "functions": functions, "closures": [], "code_change": code_change, "is_special_process": false,
        "structure": null, "records": {}, "records_built": {}, "maps": {"built": [], "read": []},
        "tuples": {"built": [], "demanded": []}, "mentions": [], "has_on_load": false, "loads_nif": false,
        "receives": false, "unread": null,
    })
}

#[test]
fn plans() {
    let server = ["Elixir.GenServer"];
    let old = release(
        "1.4.2",
        "14.0",
        json!({
            "Elixir.Shop.Cart": module(1, &[("init/1", 1), ("handle_call/3", 1), ("code_change/3", 1)], &server, "trivial"),
            "Elixir.Shop.Price": module(2, &[("of/1", 1), ("old/1", 1)], &[], "none"),
            "Elixir.Shop.Supervisor": module(3, &[("init/1", 1)], &["Elixir.Supervisor"], "none"),
        }),
    );
    let new = |init: u64, erts: &str| {
        release(
            "1.5.0",
            erts,
            json!({
                "Elixir.Shop.Cart": module(4, &[("init/1", init), ("handle_call/3", 2), ("code_change/3", 2)], &server, "own"),
                "Elixir.Shop.Price": module(5, &[("of/1", 2)], &[], "none"),
                "Elixir.Shop.Rates": module(6, &[("all/0", 1)], &[], "none"),
                "Elixir.Shop.Supervisor": module(7, &[("init/1", 2)], &["Elixir.Supervisor"], "none"),
            }),
        )
    };
    let policy = Policy::default();
    check("upgrade_hot", &text::plan(&::upgrade::plan(&old, &new(2, "14.0"), &policy)));
    check("upgrade_runtime", &text::plan(&::upgrade::plan(&old, &new(2, "14.1"), &policy)));
    let mut back = new(2, "14.0");
    back.configuration.files.insert("vm.args".to_owned(), ::upgrade::Digest::of(b"+P 1"));
    let down = ::upgrade::plan(&back, &old, &policy);
    check("upgrade_full", &text::plan(&down));
    let forced = Policy { forced: [Code::VmArgumentsChanged].into(), ..Policy::default() };
    check("upgrade_forced", &text::plan(&::upgrade::plan(&back, &old, &forced)));
    check("upgrade_nothing", &text::plan(&::upgrade::plan(&old, &old, &policy)));
    check("upgrade_markdown", &::upgrade::report::markdown::markdown(&down));
    let log = ::upgrade::report::sarif::sarif(&down);
    check("upgrade_sarif", &serde_json::to_string_pretty(&log).unwrap());
}
