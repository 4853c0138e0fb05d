//! What the API's document says. That docs/reference/openapi.json is current, `cargo xtask docs --check` sees.

use crate::http::openapi;

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
