use std::ffi::OsString;

use super::world::World;

fn deploy(world: &World, rest: &[&str]) -> Vec<OsString> {
    let root = world.root.to_str().unwrap();
    let start = ["bellrock", "--root", root, "deploy", "beacon"];
    start.iter().chain(rest).map(OsString::from).collect()
}

#[tokio::test]
async fn what_is_no_package_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    let package = world.root.join("beacon-1.0.0.tar.gz");
    fs_err::write(&package, vec![7; 300_000]).unwrap();
    let arguments = deploy(&world, &[package.to_str().unwrap(), "--meta", "commit=3f2a"]);
    // The command has a runtime of its own.
    let code = tokio::task::spawn_blocking(move || cli::main(arguments)).await.unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", std::process::ExitCode::from(cli::Exit::Refused)));
    let left: Vec<_> = fs_err::read_dir(world.control.paths.uploads()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
