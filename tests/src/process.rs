//! The real programs as real processes: run, served, killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The hub's program.
pub const HUB: &str = "lianbo-hub";
/// The node's program.
pub const NODE: &str = "lianbo-node";

/// One program on one data folder.
#[derive(Clone, Debug)]
pub struct Program {
    name: &'static str,
    data: PathBuf,
    variables: Vec<(String, String)>,
    around: Vec<String>,
}

impl Program {
    /// `name` on the folder `data`.
    pub fn new(name: &'static str, data: PathBuf) -> Self {
        Self { name, data, variables: Vec::new(), around: Vec::new() }
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Runs it beneath another command: strace, for one.
    #[must_use]
    pub fn beneath(mut self, around: &[&str]) -> Self {
        self.around = around.iter().map(ToString::to_string).collect();
        self
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    fn command(&self, args: &[&str]) -> Command {
        let test = std::env::current_exe().expect("this test's own path");
        let folder = test.parent().and_then(Path::parent).expect("target/debug/deps/");
        let program = folder.join(self.name);
        assert!(program.exists(), "{} is not there: cargo build", program.display());
        let mut command = match self.around.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command.args(args).env("LIANBO_DATA", &self.data).envs(self.variables.iter().cloned());
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end; what it printed, or its complaint.
    pub async fn run(&self, args: &[&str]) -> Result<String, String> {
        let output = self.command(args).output().await.expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Where what it says on stderr goes while it serves.
    pub fn log(&self) -> PathBuf {
        self.data.with_extension("log")
    }

    /// Serves; returns once it has told its addresses.
    ///
    /// # Panics
    /// If it ends before.
    pub async fn serve(&self) -> Serving {
        let log = File::options().create(true).append(true).open(self.log()).expect("a log");
        let mut command = self.command(&["serve"]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(log).spawn().expect("the program starts");
        let mut told = Vec::new();
        let mut lines = BufReader::new(child.stdout.take().expect("its stdout")).lines();
        while let Some(line) = lines.next_line().await.expect("its lines") {
            let last = line.starts_with("serving metrics ");
            told.push(line);
            if last {
                return Serving { child, told };
            }
        }
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        panic!("{} does not serve:\n{log}", self.name);
    }
}

/// A program that serves, until it is ended or dropped.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    told: Vec<String>,
}

impl Serving {
    /// The address it told for `what`, such as `organization grpc`.
    pub fn address(&self, what: &str) -> Option<&str> {
        let prefix = format!("serving {what} ");
        self.told.iter().find_map(|line| line.strip_prefix(&prefix))
    }

    /// Its number among the processes.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it is killed");
    }

    /// SIGTERM, and waits until it has ended.
    pub async fn terminate(mut self) -> ExitStatus {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs");
        assert!(sent.success());
        self.child.wait().await.expect("it ends")
    }
}
