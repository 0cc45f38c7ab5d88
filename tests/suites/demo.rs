//! The README's first command: a whole county comes up, everything is where it belongs, nothing is left behind.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

/// The hub's program, built beside this test (`cargo build --bins`, as `tests/run` does).
fn hub() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("lianbo-hub");
    assert!(
        program.is_file(),
        "{} is missing: cargo build -p lianbo-node -p lianbo-hub",
        program.display()
    );
    program
}

/// `demo` with a folder for temporary files that nothing else uses.
pub(super) fn demo(temporary: &TempDir) -> Command {
    let mut command = Command::new(hub());
    command.arg("demo").env("TMPDIR", temporary.path()).kill_on_drop(true);
    command
}

/// Command lines of processes that name a folder.
fn processes_in(folder: &Path) -> Vec<String> {
    let name = folder.to_string_lossy();
    let lines = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines.filter(|line| line.contains(&*name)).collect()
}

#[tokio::test]
async fn everything_comes_where_it_belongs_and_nowhere_else_and_nothing_is_left_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(&temporary).arg("--check").output().await.unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{errors}");
    for site in ["清源县委组织部", "清源县委党校", "严田镇党委", "龙田村党支部"]
    {
        assert!(told.contains(site), "{site} is not in\n{told}");
    }
    assert!(told.contains("all right: ") && told.contains("was public until"), "{told}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "files are left");
    assert_eq!(processes_in(temporary.path()), Vec::<String>::new(), "processes are left");
}

#[tokio::test]
async fn killed_it_takes_its_programs_along() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("kept");
    let mut demo =
        demo(&temporary).arg("--keep").arg(&folder).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.starts_with("Live") {
            break;
        }
    }
    assert_eq!(processes_in(&folder).len(), 6, "the demonstration, a hub, three nodes, a province");
    demo.kill().await.unwrap();
    for site in ["hub", "school", "township", "village", "province"] {
        let lock = File::open(folder.join(site).join("serve.lock")).unwrap();
        // Held until the program has ended.
        tokio::task::spawn_blocking(move || lock.lock()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_folder_that_is_not_empty_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    fs::write(temporary.path().join("mine.txt"), "mine").unwrap();
    let output = demo(&temporary).arg("--keep").arg(temporary.path()).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not empty"));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
}
