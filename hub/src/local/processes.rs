//! The two programs, as people run them: commands that answer in JSON, and `serve` in the background.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use lianbo_node::cli::advise;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Longest a server may take until it serves.
const START: Duration = Duration::from_secs(20);
/// Longest a server may take to stop; then it is killed.
const STOP: Duration = Duration::from_secs(10);
/// Lines of a log that are shown when something fails.
const TAIL: usize = 15;

/// The two programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) hub: PathBuf,
    pub(crate) node: PathBuf,
}

impl Programs {
    /// This very program, and the node's beside it.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let hub = std::env::current_exe().context("cannot tell where this program is")?;
        let node = hub.with_file_name(format!("lianbo-node{}", std::env::consts::EXE_SUFFIX));
        if !node.is_file() {
            let profile = if cfg!(debug_assertions) { "" } else { " --release" };
            let what = format!("this needs the node's program, {}", node.display());
            let next =
                format!("build both programs: cargo build{profile} -p lianbo-node -p lianbo-hub");
            return Err(advise(what, next).into());
        }
        Ok(Self { hub, node })
    }
}

/// Runs a command on the site in `data` to its end; what it answered. `input` goes to its stdin.
pub(crate) async fn ask(
    program: &Path,
    data: &Path,
    arguments: &[impl AsRef<OsStr>],
    input: &str,
) -> anyhow::Result<Value> {
    let mut command = command(program, data);
    command.arg("--json").args(arguments).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let line = shown(program, data, arguments);
    let mut child = command.spawn().with_context(|| format!("cannot start {line}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read it, or ended before, says itself what is wrong.
        stdin.write_all(input.as_bytes()).await.ok();
    }
    let output = child.wait_with_output().await.with_context(|| format!("cannot run {line}"))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("{line}\nended with {}:\n{}", output.status, told.trim_end());
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("{line} did not answer in JSON"))
}

/// A program that knows of the caller's environment nothing: no setting of theirs meddles here.
fn command(program: &Path, data: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().arg("--data").arg(data).kill_on_drop(true);
    command
}

/// A command as it could be typed.
fn shown(program: &Path, data: &Path, arguments: &[impl AsRef<OsStr>]) -> String {
    let mut line = format!("{} --data {}", program.display(), data.display());
    for argument in arguments {
        let argument = argument.as_ref().to_string_lossy();
        let plain = !argument.is_empty()
            && !argument.contains(|c: char| c.is_whitespace() || "'\"$`\\".contains(c));
        line.push(' ');
        line.push_str(&if plain { argument.into_owned() } else { format!("{argument:?}") });
    }
    line
}

/// A serving program.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    /// `what` (`internal grpc`, `metrics`) and address of every line it printed.
    pub(crate) addresses: Vec<(String, String)>,
    log: PathBuf,
    child: Child,
    /// Held open: its end tells the program to stop, also where this process is killed.
    stdin: Option<ChildStdin>,
    /// Held open, so that the program never writes into nothing.
    stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts to serve the site in `data`; returns once it does.
    pub(crate) async fn start(
        name: &'static str,
        program: &Path,
        data: &Path,
        settings: &[(&str, &str)],
        log: PathBuf,
    ) -> anyhow::Result<Self> {
        let stderr =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = command(program, data);
        command.args(["serve", "--until-eof"]).envs(settings.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        // Ctrl-C at the terminal is for this process alone, which stops the others in order.
        command.process_group(0);
        let mut child =
            command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("a child without stdout")?;
        let mut server =
            Self { name, addresses: Vec::new(), log, child, stdin, stdout: BufReader::new(stdout) };
        match tokio::time::timeout(START, server.read_addresses()).await {
            Ok(Ok(())) => Ok(server),
            Ok(Err(error)) => Err(error.context(server.tail())),
            Err(_) => anyhow::bail!("{name} does not serve within {START:?}\n{}", server.tail()),
        }
    }

    /// Reads its `serving WHAT ADDRESS` lines; the figures' comes last.
    async fn read_addresses(&mut self) -> anyhow::Result<()> {
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).await? == 0 {
                anyhow::bail!("{} ended instead of serving", self.name);
            }
            let told = line.trim().strip_prefix("serving ").and_then(|it| it.rsplit_once(' '));
            if let Some((what, address)) = told {
                self.addresses.push((what.to_owned(), address.to_owned()));
                if what == "metrics" {
                    return Ok(());
                }
            }
        }
    }

    /// Where it serves `what`.
    pub(crate) fn address(&self, what: &str) -> anyhow::Result<&str> {
        let found = self.addresses.iter().find(|(name, _)| name == what);
        let missing = || format!("{} does not say where it serves {what}", self.name);
        Ok(&found.with_context(missing)?.1)
    }

    /// Its number among the processes.
    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().with_context(|| format!("{} has ended", self.name))
    }

    /// Fails if it has ended, with the end of its log.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("{} ended: {status}\n{}", self.name, self.tail()),
        }
    }

    /// The end of its log.
    pub(crate) fn tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(TAIL);
        format!("the end of {}:\n  {}", self.log.display(), lines[from..].join("\n  "))
    }

    /// Tells it to stop and waits; kills it where that takes too long.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.stdin.take());
        if let Ok(ended) = tokio::time::timeout(STOP, self.child.wait()).await {
            let status = ended?;
            anyhow::ensure!(
                status.success(),
                "{} stopped with {status}\n{}",
                self.name,
                self.tail()
            );
            return Ok(());
        }
        self.child.kill().await?;
        anyhow::bail!("{} did not stop within {STOP:?} and was killed\n{}", self.name, self.tail())
    }
}
