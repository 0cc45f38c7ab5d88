//! Every command says what it does; wrong use is status 2.

use super::{HUB, NODE, Site};

const OF_BOTH: &[&[&str]] = &[
    &[],
    &["serve"],
    &["column", "add"],
    &["column", "list"],
    &["article", "add"],
    &["article", "revise"],
    &["article", "list"],
    &["article", "show"],
    &["article", "retract"],
    &["notice", "list"],
    &["notice", "show"],
    &["verify"],
    &["rebuild-views"],
    &["resume"],
];
const OF_HUBS: &[&[&str]] = &[
    &["init"],
    &["invite"],
    &["sites"],
    &["revoke"],
    &["article", "release"],
    &["article", "retractions"],
    &["notice", "add"],
    &["notice", "retract"],
    &["notice", "status"],
    &["notice", "release"],
    &["demo"],
    &["bench"],
    &["bench", "ingest"],
    &["bench", "fanout"],
    &["bench", "catchup"],
    &["bench", "pages"],
    &["bench", "poll"],
    &["bench", "idle"],
];
const OF_NODES: &[&[&str]] =
    &[&["join"], &["sync"], &["status"], &["notice", "read"], &["notice", "sign"]];

#[test]
fn every_command_says_what_it_does() {
    for (name, own) in [(HUB, OF_HUBS), (NODE, OF_NODES)] {
        let site = Site::new(name, "/nonexistent".into());
        for command in OF_BOTH.iter().chain(own) {
            let help = site.run(&[command, &["--help"][..]].concat()).ok();
            let first = help.lines().next().unwrap_or_default();
            assert!(
                first.contains(' ') && !first.starts_with("Usage"),
                "{name} {command:?}: {help}"
            );
            for global in ["--data", "--json", "LIANBO_DATA"] {
                assert!(help.contains(global), "{name} {command:?}: {help}");
            }
            // No option goes without a word on what it is.
            assert!(!help.contains(">\n\n      --"), "{name} {command:?}: {help}");
        }
        assert!(site.run(&["--version"]).ok().starts_with(name));
    }
}

#[test]
fn wrong_use_is_status_2_and_a_missing_folder_says_what_to_do() {
    for name in [HUB, NODE] {
        let site = Site::new(name, "/nonexistent".into());
        for wrong in [&["fly"][..], &[], &["article", "add"], &["article", "list", "--limit", "0"]]
        {
            assert_eq!(site.run(wrong).code, 2, "{name} {wrong:?}");
        }
        let err = site.run(&["article", "list"]).fails(2);
        assert!(err.contains("/nonexistent") && err.contains("\n  next: "), "{err}");
    }
    let node = Site::new(NODE, "/nonexistent".into());
    assert!(node.run(&["join", "--help"]).ok().contains("stdin"), "the token can be kept secret");
}
