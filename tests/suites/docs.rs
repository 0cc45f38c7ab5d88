//! What README.md and deploy/ quote is what the programs take: commands, flags, samples of configuration.

mod help;
mod quoted;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lianbo_hub::config::HubConfig;
use lianbo_node::config::{self, NodeConfig};
use lianbo_node::scope::Scope;

use help::Helps;
use quoted::quoted;

/// Documents that quote commands.
const DOCUMENTS: [&str; 5] = [
    "README.md",
    "deploy/handbook.md",
    "deploy/Containerfile",
    "deploy/systemd/lianbo-hub.service",
    "deploy/systemd/lianbo-node.service",
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What is wrong with the commands and flags that a document quotes, and how many commands those are.
fn wrong(helps: &mut Helps, name: &str, text: &str) -> (Vec<String>, usize) {
    let quoted = quoted(name, text);
    let mut wrong = Vec::new();
    for command in &quoted.commands {
        if let Err(why) = helps.check(command) {
            wrong.push(format!("{name}:{}: {why}: {}", command.line, command.words.join(" ")));
        }
    }
    for (line, flag) in &quoted.flags {
        if !helps.all_flags().contains(flag) {
            wrong.push(format!("{name}:{line}: no command takes {flag}"));
        }
    }
    (wrong, quoted.commands.len())
}

#[test]
fn every_command_and_flag_that_is_quoted_exists() {
    let mut helps = Helps::default();
    for name in DOCUMENTS {
        let (wrong, count) = wrong(&mut helps, name, &read(name));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(count > 0, "{name}: no command was found in it");
    }
}

#[test]
fn a_quoted_command_that_does_not_exist_is_reported() {
    let mut helps = Helps::default();
    for (right, wrong_ones) in [
        (
            "lianbo-hub sites --data /srv/hub",
            &["lianbo-hub site", "lianbo-hub sites --date /srv"][..],
        ),
        (
            "LIANBO_LOG__FORMAT=json ./target/debug/lianbo-node serve --data node &",
            &["lianbo-node server", "lianbo-node init", "lianbo-node serve --port 1"],
        ),
        (
            "echo 字 | runuser -u lianbo -- lianbo-hub article add --column news --title '一 二' --scope public # 注",
            &[
                "lianbo-hub article",
                "lianbo-hub article write",
                "lianbo-hub article add --columns news",
            ],
        ),
        (
            "lianbo-node --data node notice sign d1324901 \\\n  --person 李书记 && ls --all",
            &[
                "lianbo-node notice sign d1 --person 李 x",
                "lianbo-node notice sign d1 \\\n --name 李",
            ],
        ),
    ] {
        let fenced = |line: &str| format!("文\n\n```sh\n{line}\n```\n");
        assert_eq!(wrong(&mut helps, "right.md", &fenced(right)), (Vec::new(), 1), "{right}");
        for line in wrong_ones {
            let (found, _) = wrong(&mut helps, "wrong.md", &fenced(line));
            assert_eq!(found.len(), 1, "{line}: {found:?}");
            assert!(found[0].starts_with("wrong.md:4: "), "{found:?}");
        }
    }
    let inline = "运行 `lianbo-hub notice`，再看 `lianbo-hub sits`，加 `--json` 或 `--jason`。";
    let (found, count) = wrong(&mut helps, "inline.md", inline);
    assert_eq!((found.len(), count), (2, 2), "{found:?}");
}

#[test]
fn the_readme_has_its_two_commands() {
    let readme = read("README.md");
    for command in ["cargo build --release && ./target/release/lianbo-hub demo", "bash tests/run"] {
        assert!(readme.lines().any(|line| line == command), "{command}");
    }
    assert!(root().join("tests/run").exists());
}

/// A data folder with this configuration.
fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(config::FILE), text).unwrap();
    folder
}

#[test]
fn the_sample_configurations_load() {
    let hub = folder(&read("deploy/hub.toml"));
    let hub: HubConfig = config::load_with(hub.path(), std::iter::empty()).unwrap();
    for scope in Scope::ALL {
        let listener = hub.listen.of(scope).expect("all three networks");
        assert!(listener.grpc.is_some() && listener.pages.is_some(), "{scope}");
    }
    let node = folder(&read("deploy/node.toml"));
    let node: NodeConfig = config::load_with(node.path(), std::iter::empty()).unwrap();
    assert!(lianbo_node::entry::SiteId::from_hex(&node.hub.site).is_some());
    assert_eq!(node.hub.proxy, None);
    // The commented key is one, too.
    let proxied = read("deploy/node.toml").replace("# proxy =", "proxy =");
    let proxied: NodeConfig =
        config::load_with(folder(&proxied).path(), std::iter::empty()).unwrap();
    assert!(proxied.hub.proxy.is_some());
}

/// The keys of a table that are no tables themselves, as `a.b.c`.
fn keys(table: &toml::Table, above: &str, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => keys(inner, &format!("{above}{key}."), found),
            _ => {
                found.insert(format!("{above}{key}"));
            }
        }
    }
}

#[test]
fn the_readme_and_the_samples_know_every_key_of_the_configuration() {
    let saved = |text: &str| text.parse::<toml::Table>().unwrap();
    let hub = folder(&read("deploy/hub.toml").replace("# proxy =", "proxy ="));
    let hub: HubConfig = config::load_with(hub.path(), std::iter::empty()).unwrap();
    let hub = folder_of(&hub);
    let node = folder(&read("deploy/node.toml").replace("# proxy =", "proxy ="));
    let node: NodeConfig = config::load_with(node.path(), std::iter::empty()).unwrap();
    let node = folder_of(&node);
    let readme = read("README.md");
    for (text, sample) in [(hub, "deploy/hub.toml"), (node, "deploy/node.toml")] {
        let (mut all, mut sampled) = (BTreeSet::new(), BTreeSet::new());
        keys(&saved(&text), "", &mut all);
        keys(&saved(&read(sample).replace("# proxy =", "proxy =")), "", &mut sampled);
        assert_eq!(all, sampled, "{sample}");
        for key in all {
            assert!(is_documented(&readme, &key), "README.md does not tell of {key}");
        }
    }
}

fn folder_of(config: &impl serde::Serialize) -> String {
    let folder = tempfile::tempdir().unwrap();
    config::save(folder.path(), config).unwrap();
    fs::read_to_string(folder.path().join(config::FILE)).unwrap()
}

/// A row of the table names a key whole, or after one of the same table by its end: `` `unit.code`, `.name` ``.
fn is_documented(readme: &str, key: &str) -> bool {
    let (table, last) = key.rsplit_once('.').unwrap_or(("", key));
    readme.lines().filter(|line| line.starts_with('|')).any(|row| {
        row.contains(&format!("`{key}`"))
            || (row.contains(&format!("`{table}.")) && row.contains(&format!("`.{last}`")))
    })
}

/// The program built beside this test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.exists(), "{} is not there: run `cargo build` first", path.display());
    path
}
