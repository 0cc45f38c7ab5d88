//! The arrows between crates: tests → hub → node → proto, never back, dev-dependencies included.

use std::process::Command;

use serde_json::{Value, json};

/// What each crate of ours may depend on.
const MAY: [(&str, &[&str]); 4] = [
    ("lianbo-proto", &[]),
    ("lianbo-node", &["lianbo-proto"]),
    ("lianbo-hub", &["lianbo-proto", "lianbo-node"]),
    ("lianbo-tests", &["lianbo-proto", "lianbo-node", "lianbo-hub"]),
];

/// The workspace as cargo sees it, renamed dependencies resolved.
fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(super::root().join("Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

fn forbidden(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().expect("packages");
    let mut found = Vec::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let Some((_, may)) = MAY.iter().find(|(ours, _)| *ours == name) else {
            found.push(format!("{name} has no place in the list of crates"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = dependency["name"].as_str().expect("a name");
            if MAY.iter().any(|(ours, _)| *ours == on) && !may.contains(&on) {
                found.push(format!("{name} must not depend on {on}"));
            }
        }
    }
    found
}

#[test]
fn the_crates_depend_on_each_other_in_one_direction() {
    let metadata = metadata();
    assert_eq!(
        metadata["packages"].as_array().map(Vec::len),
        Some(MAY.len()),
        "all crates are seen"
    );
    assert_eq!(forbidden(&metadata), [""; 0]);
}

#[test]
fn an_added_arrow_between_crates_is_reported() {
    let clean = metadata();
    for (from, may) in MAY {
        for (on, _) in MAY.iter().filter(|(on, _)| *on != from && !may.contains(on)) {
            for kind in [Value::Null, json!("dev"), json!("build")] {
                let mut bent = clean.clone();
                let packages = bent["packages"].as_array_mut().expect("packages");
                let package =
                    packages.iter_mut().find(|package| package["name"] == from).expect("ours");
                let dependencies = package["dependencies"].as_array_mut().expect("dependencies");
                dependencies.push(json!({ "name": on, "kind": kind, "rename": "innocent" }));
                assert_eq!(forbidden(&bent), [format!("{from} must not depend on {on}")]);
            }
        }
    }
}
