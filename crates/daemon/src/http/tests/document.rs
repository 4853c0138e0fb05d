//! docs/openapi.json is what the handlers say. `UPDATE=1 cargo test -p daemon` writes it anew.

use std::path::Path;

use crate::http::openapi;

#[test]
fn the_document_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let document = openapi::document();
    if std::env::var_os("UPDATE").is_some() {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, &document).unwrap();
    }
    let kept = fs_err::read_to_string(&path).unwrap();
    assert!(kept == document, "docs/openapi.json is not current; UPDATE=1 cargo test -p daemon document");
}

#[test]
fn every_operation_is_described() {
    let document: serde_json::Value = serde_json::from_str(&openapi::document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 20);
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            let operation_id = operation["operationId"].as_str();
            assert!(operation_id.is_some(), "{method} {path} has no name");
            assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{method} {path}");
            assert!(operation["responses"]["default"].is_object(), "{method} {path} tells no problems");
        }
    }
}
