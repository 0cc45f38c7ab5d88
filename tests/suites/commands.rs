//! The commands of both programs, as people and scripts run them: real processes on throw-away folders.

mod adoption;
mod articles;
mod help;
mod hub;
mod join;
mod notices;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const HUB: &str = "lianbo-hub";
const NODE: &str = "lianbo-node";

/// The program built beside this test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.exists(), "{} is not there: run `cargo build` first", path.display());
    path
}

/// What a command did.
#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Done {
    /// Its stdout, if it went well.
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}", self.err);
        self.out
    }

    /// Its stderr, if it failed with this status and nothing on stdout.
    #[track_caller]
    fn fails(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        assert!(self.err.starts_with("error: "), "{}", self.err);
        self.err
    }

    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.ok()).expect("one JSON document")
    }
}

/// One program on one data folder.
#[derive(Clone, Debug)]
struct Site {
    name: &'static str,
    data: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Site {
    fn new(name: &'static str, data: PathBuf) -> Self {
        Self { name, data, variables: Vec::new() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program(self.name));
        command.args(args).env("LIANBO_DATA", &self.data);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Done {
        self.with(args, "")
    }

    /// Runs a command with this text on stdin.
    fn with(&self, args: &[&str], stdin: &str) -> Done {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        // A command that does not read closes it, which is its right.
        drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
        let output = child.wait_with_output().unwrap();
        Done {
            code: output.status.code().expect("not killed"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A new hub.
fn hub() -> (TempDir, Site) {
    let parent = tempfile::tempdir().unwrap();
    let hub = Site::new(HUB, parent.path().join("hub"));
    hub.run(&["init", "--code", "county", "--name", "清源县委组织部"]).ok();
    (parent, hub)
}

/// A hub that serves, until dropped.
struct Serving {
    child: Child,
    /// Address for sites of the private network.
    url: String,
}

impl Serving {
    fn start(hub: &Site) -> Self {
        let mut hub = hub.clone();
        for (network, which) in
            ["INTERNAL", "ORGANIZATION", "PUBLIC"].iter().flat_map(|n| [(n, "GRPC"), (n, "PAGES")])
        {
            let name: &'static str = format!("LIANBO_LISTEN__{network}__{which}").leak();
            hub.variables.push((name, "127.0.0.1:0".to_owned()));
        }
        hub.variables.push(("LIANBO_METRICS__ADDRESS", "127.0.0.1:0".to_owned()));
        let mut child = hub.command(&["serve"]).stderr(Stdio::null()).spawn().unwrap();
        let mut url = None;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(found) = line.strip_prefix("serving organization grpc ") {
                url = Some(found.to_owned());
            }
            if line.starts_with("serving metrics ") {
                break;
            }
        }
        Self { child, url: url.expect("it tells its addresses") }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A new token for a unit.
fn invite(hub: &Site, code: &str) -> String {
    let args = ["invite", "--code", code, "--name", "清河镇", "--ceiling", "organization"];
    hub.run(&args).ok().trim().to_owned()
}
