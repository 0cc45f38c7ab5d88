//! Finds the commands and flags that a document quotes, loosely: as a reader would see them.

use std::path::Path;

/// The programs.
const PROGRAMS: [&str; 2] = ["lianbo-hub", "lianbo-node"];

/// A quoted command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// Where it begins, from 1.
    pub(super) line: usize,
    /// The program's name and what follows it.
    pub(super) words: Vec<String>,
    /// It may be run as it stands: from a code block, and without an ellipsis.
    pub(super) whole: bool,
}

/// Everything found in a document.
#[derive(Debug, Default)]
pub(super) struct Quoted {
    pub(super) commands: Vec<Command>,
    /// Flags standing alone in code spans, with their lines.
    pub(super) flags: Vec<(usize, String)>,
}

/// Looks through a document: Markdown, or a file of which every line may hold a command.
pub(super) fn quoted(name: &str, text: &str) -> Quoted {
    let markdown = Path::new(name).extension().is_some_and(|it| it == "md");
    let mut found = Quoted::default();
    let (mut fenced, mut skipped) = (!markdown, false);
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if let Some(kind) = line.trim_start().strip_prefix("```").filter(|_| markdown) {
            fenced = !fenced;
            // What a block of text shows is no command: trees, messages, configuration.
            skipped = fenced && ["text", "toml"].contains(&kind.trim());
        } else if fenced && !skipped {
            let mut joined = line.to_owned();
            while let Some(cut) = joined.strip_suffix('\\').map(str::to_owned) {
                let next = lines.next().map_or("", |(_, next)| next);
                joined = cut + next.trim_start_matches(['#', ' ']);
            }
            found.commands.extend(commands(&joined, at + 1, markdown));
        } else if !fenced {
            spans(line, at + 1, &mut found);
        }
    }
    found
}

fn spans(line: &str, at: usize, found: &mut Quoted) {
    for span in line.split('`').skip(1).step_by(2) {
        if span.starts_with("--") {
            let flag = span.split([' ', '=']).next().unwrap_or_default();
            found.flags.push((at, flag.to_owned()));
        } else {
            found.commands.extend(commands(span, at, false));
        }
    }
}

/// The commands in a line of shell.
fn commands(line: &str, at: usize, whole: bool) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut current: Option<Command> = None;
    let mut before = String::new();
    for word in words(line) {
        // `cargo build -p lianbo-hub`, `journalctl -u lianbo-hub`: a package, a service.
        let named = ["-p", "--bin", "--package", "-u"].contains(&before.as_str());
        before.clone_from(&word);
        let name = word.rsplit('/').next().unwrap_or_default();
        if matches!(word.as_str(), "|" | ";" | "&" | "&&" | "||" | ">" | "<" | ">>" | "2>" | "#") {
            commands.extend(current.take());
        } else if let Some(command) = &mut current {
            command.words.push(word);
        } else if PROGRAMS.contains(&name) && !named {
            current = Some(Command { line: at, words: vec![name.to_owned()], whole });
        }
    }
    commands.extend(current);
    // A program alone (a file to install, a name in a sentence) is no command.
    commands.retain(|it| it.words.len() > 1 && !is_file(&it.words[1]));
    for command in &mut commands {
        if let Some(at) = command.words.iter().position(|it| it.contains('…') || it == "...") {
            command.words.truncate(at);
            command.whole = false;
        }
    }
    commands
}

/// A copy's or an install's next argument: `install -m 755 lianbo-hub /usr/local/bin/`.
fn is_file(word: &str) -> bool {
    word.starts_with('/') || word.starts_with("lianbo-") || word == "\\"
}

/// Splits as a shell does, as far as quotes and comments go; operators are words of their own.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut open = false;
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => (quote, open) = (Some(c), true),
            (None, c) if c.is_whitespace() || ";|&<>()".contains(c) => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
                if !c.is_whitespace() {
                    words.push(c.to_string());
                }
            }
            // A comment goes to the end; what begins a line with it may still be a command to paste.
            (None, '#') if word.is_empty() && !words.is_empty() => return words,
            (None, '#') if word.is_empty() => {}
            (_, c) => word.push(c),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    words
}
